# Sourced by the scripts beside it, from the root of the project.

# environment [EXTRA ...]: makes .venv with the project and the extras, unless it stands already; mends a broken one.
environment() {
    python=${PYTHON:-python3}
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        fail "Python 3.11 or newer is needed ($python): install it, or set PYTHON=/path/to/python"
    fi
    if ! stands && grep -qs '^uv *=' .venv/pyvenv.cfg; then  # whole, only without pip
        .venv/bin/python -m ensurepip --default-pip >/dev/null 2>&1 || :
    fi
    stands || make_environment

    # What was installed, with which Python. Removed first and written last: an interrupted installation is repeated.
    wanted="$(.venv/bin/python -V) $(cat pyproject.toml)"
    missing=
    for extra in '' "$@"; do
        [ "$wanted" = "$(cat ".venv/siamjax-installed$extra" 2>/dev/null)" ] || missing=yes
    done
    if [ -n "$missing" ]; then
        printf '%s\n' "installing siamjax and what it needs (some minutes the first time) ..."
        rm -f .venv/siamjax-installed*
        extras=$(printf '%s,' "$@")  # "dev," or, without any, ","
        extras=${extras%,}
        .venv/bin/python -m pip install --quiet --editable ".${extras:+[$extras]}" ||
            fail "siamjax could not be installed (pip's reason is above): mend it and run this again"
        for extra in '' "$@"; do
            printf '%s' "$wanted" > ".venv/siamjax-installed$extra"
        done
    fi
}

# Whether .venv is whole, of this folder, and of the Python that was asked for. Its own pip answers: not so when the
# environment was left half made, when its Python is gone or was replaced, when this folder was moved or copied.
stands() {
    case $(PYTHONPATH='' .venv/bin/pip --version 2>/dev/null) in
        *" from $(pwd -P)/.venv/"*) [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" -V)" = "$(.venv/bin/python -V)" ] ;;
        *) return 1 ;;
    esac
}

make_environment() {
    printf '%s\n' "making an environment in .venv ..."
    rm -rf .venv
    hash -r  # python3 may have been that of .venv
    if said=$("$python" -m venv .venv 2>&1) && stands; then
        return
    fi
    rm -rf .venv
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        fail "no environment can be made with $python: $(printf '%s' "$said" | tail -n 1)"
    fi
    fail "$python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)," \
        "or set PYTHON=/path/to/python"
}

# fail WORD ...: one line of what went wrong and what to do, and the end.
fail() {
    printf '%s\n' "error: $*" >&2
    exit 2
}
