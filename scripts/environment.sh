# Sourced by the scripts beside it, from the root of the project.

# environment [EXTRA ...]: makes .venv with the project and the extras, unless it stands already.
environment() {
    python=${PYTHON:-python3}
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        printf '%s\n' "error: Python 3.11 or newer is needed ($python): install it, or set PYTHON=/path/to/python" >&2
        exit 2
    fi
    if ! .venv/bin/python -c '' 2>/dev/null; then
        printf '%s\n' "making an environment in .venv ..."
        rm -rf .venv
        "$python" -m venv .venv
    fi
    wanted="$(cat pyproject.toml) $*"
    if [ ! -f .venv/siamjax-installed ] || [ "$wanted" != "$(cat .venv/siamjax-installed)" ]; then
        extras=$(printf '%s,' "$@")  # "dev," or, without any, ","
        printf '%s\n' "installing siamjax and what it needs (some minutes the first time) ..."
        .venv/bin/pip install --quiet --upgrade pip
        extras=${extras%,}
        .venv/bin/pip install --quiet --editable ".${extras:+[$extras]}"
        printf '%s' "$wanted" > .venv/siamjax-installed
    fi
}
