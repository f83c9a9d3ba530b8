"""Parameter names of published trackers, one table each: (theirs, ours).

A source that has spelled a name in several ways has a line for each; a file has one of them. What a published file
holds and its own program never runs has None for ours, and is left out.
"""

from __future__ import annotations

from siamjax.nets import inverted, mobilenet

Names = tuple[tuple[str, str | None], ...]

_NORM = (("weight", "params/{}/norm/scale"), ("bias", "params/{}/norm/bias"),
         ("running_mean", "batch_stats/{}/norm/mean"), ("running_var", "batch_stats/{}/norm/var"))
# Index of each convolution in `features` of PySOT's first AlexNet; its BatchNorm is the next.
_LEGACY_ALEXNET = (0, 4, 8, 11, 14)


def _fear_graph() -> tuple[str, ...]:
    """FEAR-XS's convolutions by their structural names, in the order of its published graph."""
    trunk = ["stem"]
    for number, block in enumerate(inverted.FBNET_C):
        parts = ("expand", "depthwise", "project") if block.expansion is not None else ("depthwise", "project")
        trunk += [f"blocks.{number}.{part}" for part in parts]
    heads = ("cls_encode", "reg_encode", "cls_fuse", "reg_fuse", "reg_tower.0", "reg_tower.1", "reg_pred",
             "cls_tower.0", "cls_tower.1", "cls_pred")
    return (*trunk, "neck", *(f"{head}.{part}" for head in heads for part in ("depthwise", "pointwise")))


FEAR_GRAPH = _fear_graph()
FEAR_TRUNK = FEAR_GRAPH.index("neck") + 1  # convolutions of its exemplar's half


def siamfc(norms: int = 4) -> Names:
    """siamfc-pytorch: five convolutions, BatchNorm after the first `norms` (4 for V1 and V2, 5 for V3)."""
    names: Names = ()
    for i in range(1, 6):
        names += _conv(f"backbone.conv{i}.0", f"backbone/conv{i}")
        if i <= norms:
            names += _norm(f"backbone.conv{i}.1", f"backbone/conv{i}")
    return names


def siamrpn_alex() -> Names:
    """PySOT's `siamrpn_alex_dwxcorr`."""
    return alexnet_backbone() + _depthwise_rpn("rpn_head", "head")


def siamrpn_upchannel() -> Names:
    """The head of the first SiamRPN on PySOT's AlexNet."""
    names = alexnet_backbone()
    for kind in ("cls", "loc"):
        names += _conv(f"rpn_head.template_{kind}_conv", f"head/exemplar_{kind}")
        names += _conv(f"rpn_head.search_{kind}_conv", f"head/search_{kind}")
    return names + _conv("rpn_head.loc_adjust", "head/adjust_loc")


def siamrpn_mobilev2() -> Names:
    """PySOT's `siamrpn_mobilev2_l234_dwxcorr`."""
    return mobilenet_backbone() + _adjust(levels=3) + _multi_rpn(weighted=False, levels=3)


def siamrpn_r50(weighted: bool = True, levels: int = 3) -> Names:
    """PySOT's `siamrpn_r50_l234_dwxcorr` and its long-term form, or with the plain mean (`_otb`)."""
    return resnet_backbone((3, 4, 6, 3)) + _adjust(levels) + _multi_rpn(weighted, levels)


def siammask(refined: bool = True) -> Names:
    """SiamMask's own checkpoints: `refined` ("sharp") or not ("base")."""
    return (resnet_backbone((3, 4, 6), prefix="features.features.")
            + _unit("features.downsample.downsample.0", "features.downsample.downsample.1", "neck/levels_0")
            + _depthwise_rpn("rpn_model", "head") + _depthwise_branch("mask_model.mask", "mask")
            + (_refine("refine_model") if refined else ()))


def siammask_r50() -> Names:
    """PySOT's `siammask_r50_l3`, refined."""
    return (resnet_backbone((3, 4, 6))
            + _unit("neck.downsample.downsample.0", "neck.downsample.downsample.1", "neck/levels_0")
            + _depthwise_rpn("rpn_head", "head") + _depthwise_branch("mask_head", "mask") + _refine("refine_head"))


def fear_xs() -> Names:
    """FEAR-XS by structural names, BatchNorm folded; the two depthwise `encode` convolutions have no bias."""
    ours = {"stem": "backbone/stem", "neck": "backbone/projection"}
    ours |= {f"{theirs}_{part}": f"head/{kind}/{our_part}"
             for theirs, kind in (("cls", "cls"), ("reg", "loc"))
             for part, our_part in (("encode", "encode"), ("fuse", "fuse"), ("tower.0", "tower0"),
                                    ("tower.1", "tower1"), ("pred", "out"))}
    names: Names = ()
    for theirs in FEAR_GRAPH:
        part, _, leaf = theirs.rpartition(".")
        if part.startswith("blocks."):
            path = f"backbone/block{part.removeprefix('blocks.')}/{leaf}"
        else:
            path = f"{ours[part]}/{leaf}" if part else ours[theirs]
        pair = _conv(theirs, path)
        names += pair[:1] if theirs.endswith("encode.depthwise") else pair
    return names


def nanotrack_v1() -> Names:
    """NanoTrack's first version."""
    return (_nanotrack_backbone(inverted.MOBILENET_V3_SMALL[:-1])
            + _attention("ban_head.corr_pw.CA_layer.fc1", "ban_head.corr_pw.CA_layer.fc2",
                         "head/correlations_0/attention")
            + _nanotrack_tower("ban_head.cls_tower", "ban_head.cls_logits.0", "head/cls", layers=3)
            + _nanotrack_tower("ban_head.bbox_tower", "ban_head.bbox_pred.0", "head/loc", layers=4))


def nanotrack_v2() -> Names:
    """NanoTrack's second version."""
    names = _nanotrack_backbone(inverted.MOBILENET_V3_SMALL[:-1])
    for number, kind in enumerate(("cls", "reg")):
        names += _pixelwise(f"ban_head.corr_pw_{kind}", f"head/correlations_{number}")
    return (names + _nanotrack_tower("ban_head.cls_pw_tower", "ban_head.cls_pred.0", "head/cls", layers=6)
            + _nanotrack_tower("ban_head.bbox_pw_tower", "ban_head.bbox_pred.0", "head/loc", layers=6))


def nanotrack_v3() -> Names:
    """NanoTrack's third version."""
    names = _nanotrack_backbone(inverted.MOBILENET_V3_SMALL)
    for kind, tower, out, ours in (("cls", "cls_tower", "cls_logits.0", "head/cls"),
                                   ("reg", "bbox_tower", "bbox_pred.0", "head/loc")):
        names += _pixelwise(f"ban_head.corr_pw_{kind}", f"{ours}/pixelwise")
        names += _unit(f"ban_head.corr_pw_{kind}.conv.0", f"ban_head.corr_pw_{kind}.conv.1", f"{ours}/narrow/depthwise")
        names += _biased(f"ban_head.corr_pw_{kind}.conv.3", f"ban_head.corr_pw_{kind}.conv.4",
                         f"{ours}/narrow/pointwise")
        names += _both_sides(f"ban_head.corr_dw_{kind}", f"{ours}/depthwise")
        names += _conv(f"ban_head.down_{kind}.0", f"{ours}/mix")
        for layer in range(6):
            for first, part in ((5 * layer, "depthwise"), (5 * layer + 3, "pointwise")):
                names += _unit(f"ban_head.{tower}.{first}", f"ban_head.{tower}.{first + 1}",
                               f"{ours}/tower/layer{layer}/{part}")
        names += _conv(f"ban_head.{out}", f"{ours}/tower/out")
    return names


def alexnet_backbone(prefix: str = "backbone.") -> Names:
    """PySOT's AlexNet, by the names of its first and of its second class; `prefix` stands before them."""
    names: Names = ()
    for i, first in enumerate(_LEGACY_ALEXNET, start=1):
        ours = f"backbone/conv{i}"
        names += _conv(f"{prefix}features.{first}", ours) + _norm(f"{prefix}features.{first + 1}", ours)
        names += _conv(f"{prefix}layer{i}.0", ours) + _norm(f"{prefix}layer{i}.1", ours)
    return names


def resnet_backbone(blocks: tuple[int, ...], bottleneck: bool = True, *, prefix: str = "backbone.") -> Names:
    """A ResNet with as many blocks in each of its stages; `prefix` stands before their names."""
    def unit(theirs: str, conv: str, norm: str, ours: str) -> Names:
        return _unit(f"{prefix}{theirs}{conv}", f"{prefix}{theirs}{norm}", f"backbone/{ours}")

    names = unit("", "conv1", "bn1", "conv1")
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            theirs, ours = f"layer{stage}.{block}.", f"layer{stage}/block{block}"
            for i in range(1, 4 if bottleneck else 3):
                names += unit(theirs, f"conv{i}", f"bn{i}", f"{ours}/conv{i}")
            if block == 0 and (bottleneck or stage > 1):
                names += unit(theirs, "downsample.0", "downsample.1", f"{ours}/downsample")
    return names


def mobilenet_backbone(prefix: str = "backbone.") -> Names:
    """PySOT's MobileNetV2; `prefix` stands before its names."""
    names = _unit(f"{prefix}layer0.0", f"{prefix}layer0.1", "backbone/layer0")
    for stage, (_, _, blocks) in enumerate(mobilenet.STAGES, start=1):
        for block in range(blocks):
            theirs, ours = f"{prefix}layer{stage}.{block}.conv", f"backbone/layer{stage}/block{block}"
            for index, name in ((0, "expand"), (3, "depthwise"), (6, "project")):
                names += _unit(f"{theirs}.{index}", f"{theirs}.{index + 1}", f"{ours}/{name}")
    return names


def imagenet_mobilenet(nested: bool) -> Names:
    """MobileNetV2 for ImageNet: `features.N.conv.M`, or torchvision's `features.N.conv.M.0` (`nested`).

    It has no expansion in its first block; `expand.0` and `expand.1` stand for what is put in its place.
    """
    names = _unit("features.0.0", "features.0.1", "backbone/layer0")
    blocks = [(f"backbone/layer{stage}/block{block}", expansion)
              for stage, (expansion, _, count) in enumerate(mobilenet.STAGES, start=1) for block in range(count)]
    for number, (ours, expansion) in enumerate(blocks, start=1):
        theirs = f"features.{number}.conv"
        if expansion == 1:
            names += _unit(f"{theirs}.expand.0", f"{theirs}.expand.1", f"{ours}/expand")
        parts = ("expand", "depthwise", "project") if expansion > 1 else ("depthwise", "project")
        for i, part in enumerate(parts):
            if not nested:
                conv, norm = f"{3 * i}", f"{3 * i + 1}"
            else:
                conv, norm = (f"{i}", f"{i + 1}") if part == "project" else (f"{i}.0", f"{i}.1")
            names += _unit(f"{theirs}.{conv}", f"{theirs}.{norm}", f"{ours}/{part}")
    return names


def _adjust(levels: int) -> Names:
    """PySOT counts its adjust layers from 2, whatever the levels are."""
    names: Names = ()
    for i in range(levels):
        theirs = f"neck.downsample{i + 2}.downsample"
        names += _unit(f"{theirs}.0", f"{theirs}.1", f"neck/levels_{i}")
    return names


def _multi_rpn(weighted: bool, levels: int) -> Names:
    names: Names = ()
    for i in range(levels):
        names += _depthwise_rpn(f"rpn_head.rpn{i + 2}", f"head/levels_{i}")
    if weighted:
        names += tuple((f"rpn_head.{kind}_weight", f"params/head/{kind}_weight") for kind in ("cls", "loc"))
    return names


def _depthwise_rpn(theirs: str, ours: str) -> Names:
    return (_depthwise_branch(f"{theirs}.cls", f"{ours}/cls") + _depthwise_branch(f"{theirs}.loc", f"{ours}/loc"))


def _depthwise_branch(theirs: str, ours: str) -> Names:
    names: Names = ()
    for their_part, our_part in (("conv_kernel", "exemplar"), ("conv_search", "search"), ("head", "mix")):
        names += _unit(f"{theirs}.{their_part}.0", f"{theirs}.{their_part}.1", f"{ours}/{our_part}")
    return names + _conv(f"{theirs}.head.3", f"{ours}/out")


def _refine(theirs: str) -> Names:
    """They count features from the shallowest and `post` from the coarsest; the others' second layer is the third."""
    names = _conv(f"{theirs}.deconv", "refine/spread")
    for i in range(3):
        ours = f"refine/merge{i}"
        for their_part, our_part in ((f"v{2 - i}", "window"), (f"h{2 - i}", "mask")):
            names += _conv(f"{theirs}.{their_part}.0", f"{ours}/{our_part}1")
            names += _conv(f"{theirs}.{their_part}.2", f"{ours}/{our_part}2")
        names += _conv(f"{theirs}.post{i}", f"{ours}/post")
    return names


def _nanotrack_backbone(blocks: tuple[inverted.Block, ...]) -> Names:
    """NanoTrack's MobileNetV3, and the neck that its files hold and its program does not call."""
    names = _unit("backbone.features.0.0", "backbone.features.0.1", "backbone/stem")
    for number, block in enumerate(blocks):
        theirs, ours = f"backbone.features.{number + 1}.conv", f"backbone/block{number}"
        # Index of each convolution and of the squeeze; a BatchNorm is next to each convolution.
        parts = {"depthwise": 0, "project": 4} if block.expansion is None else {
            "expand": 0, "depthwise": 3, "project": 7}
        for part, index in parts.items():
            names += _unit(f"{theirs}.{index}", f"{theirs}.{index + 1}", f"{ours}/{part}")
        if block.squeeze:
            squeeze = f"{theirs}.{3 if block.expansion is None else 5}.fc"
            names += _attention(f"{squeeze}.0", f"{squeeze}.2", f"{ours}/squeeze")
    neck = _unit("neck.downsample.0", "neck.downsample.1", "neck")
    return names + tuple((theirs, None) for theirs, _ in neck)


def _nanotrack_tower(theirs: str, out: str, ours: str, layers: int) -> Names:
    """Of each layer a depthwise convolution, a 1x1 one, BatchNorm, and a ReLU6 that has no parameters."""
    names: Names = ()
    for layer in range(layers):
        first = f"{ours}/layer{layer}"
        names += _conv(f"{theirs}.{4 * layer}", f"{first}/depthwise")[:1]
        names += _unit(f"{theirs}.{4 * layer + 1}", f"{theirs}.{4 * layer + 2}", f"{first}/pointwise")
    return names + _conv(out, f"{ours}/out")


def _pixelwise(theirs: str, ours: str) -> Names:
    return _both_sides(theirs, ours) + _attention(f"{theirs}.CA_layer.fc1", f"{theirs}.CA_layer.fc2",
                                                  f"{ours}/attention")


def _both_sides(theirs: str, ours: str) -> Names:
    """A 1x1 convolution with a bias, and BatchNorm, of the exemplar's features and of the search's."""
    return (_biased(f"{theirs}.conv_kernel.0", f"{theirs}.conv_kernel.1", f"{ours}/exemplar")
            + _biased(f"{theirs}.conv_search.0", f"{theirs}.conv_search.1", f"{ours}/search"))


def _attention(reduce: str, restore: str, ours: str) -> Names:
    return _conv(reduce, f"{ours}/reduce") + _conv(restore, f"{ours}/restore")


def _biased(conv: str, norm: str, ours: str) -> Names:
    """A convolution with a bias and the BatchNorm after it."""
    return _conv(conv, ours) + _norm(norm, ours)


def _unit(conv: str, norm: str, ours: str) -> Names:
    """A convolution without bias and the BatchNorm after it."""
    return _conv(conv, ours)[:1] + _norm(norm, ours)


def _conv(theirs: str, ours: str) -> Names:
    return ((f"{theirs}.weight", f"params/{ours}/kernel"), (f"{theirs}.bias", f"params/{ours}/bias"))


def _norm(theirs: str, ours: str) -> Names:
    return tuple((f"{theirs}.{leaf}", path.format(ours)) for leaf, path in _NORM)
