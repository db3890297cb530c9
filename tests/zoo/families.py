"""Families of torchvision and timm, as small as their constructors build them."""

from __future__ import annotations

import timm.models as tm
import torchvision.models as tv
from torch import nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig


def resnext() -> nn.Module:
    """timm's residual network with bottlenecks, grouped convolutions and pooling at the shortcuts."""
    return tm.ResNet(
        tm.resnet.Bottleneck, (1, 1, 1, 1), 3, cardinality=2, base_width=32, stem_width=4, avg_down=True,
        channels=(4, 4, 4, 4), drop_path_rate=0.1,
    )  # fmt: skip


def vgg() -> nn.Module:
    """timm's, with convolutions in the place of large linear layers."""
    return tm.VGG([4, "M", 8, "M"], 3, mlp_ratio=0.002)


def densenet() -> nn.Module:
    return tv.DenseNet(growth_rate=4, block_config=(1, 1), num_init_features=8, bn_size=2, num_classes=3)


def mobilenet_v2() -> nn.Module:
    return tv.MobileNetV2(3, 0.1, [[1, 8, 1, 1], [2, 8, 1, 2]])


def mobilenet_v3() -> nn.Module:
    """Squeeze and excitation, hard-swish."""
    setting = [InvertedResidualConfig(16, 3, 16, 16, True, "HS", 2, 1, 0.5)]
    return tv.MobileNetV3(setting, 12, num_classes=3)


def efficientnet() -> nn.Module:
    setting = [FusedMBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(2, 3, 2, 8, 8, 1)]
    return tv.EfficientNet(setting, dropout=0.1, num_classes=3, last_channel=12)


def shufflenet() -> nn.Module:
    return tv.ShuffleNetV2([1, 1, 1], [4, 8, 8, 8, 12], num_classes=3)


def convnext() -> nn.Module:
    return tv.ConvNeXt([CNBlockConfig(8, 12, 1), CNBlockConfig(12, None, 1)], num_classes=3, layer_scale=0.5)


def vit() -> nn.Module:
    return tv.VisionTransformer(16, 8, 1, 2, 12, 16, num_classes=3)


def timm_vit() -> nn.Module:
    """timm's, with its own attention, layer scale, normalized queries and keys, and mean pooling."""
    return tm.VisionTransformer(
        16, 8, num_classes=3, embed_dim=12, depth=1, num_heads=2, mlp_ratio=1, init_values=0.1,
        qk_norm=True, global_pool="avg",
    )  # fmt: skip


def swin() -> nn.Module:
    return tv.SwinTransformer([4, 4], 8, [1, 1], [1, 2], [2, 2], num_classes=3)


def mixer() -> nn.Module:
    return tm.MlpMixer(3, 16, patch_size=8, num_blocks=1, embed_dim=12)


def normalizer_free() -> nn.Module:
    """timm's, with convolutions that standardize their weights."""
    setting = tm.nfnet.NfCfg((1, 1), (8, 8), stem_type="3x3", stem_chs=8, ch_div=4)
    return tm.NormFreeNet(setting, 3)


__all__ = [
    "convnext", "densenet", "efficientnet", "mixer", "mobilenet_v2", "mobilenet_v3", "normalizer_free",
    "resnext", "shufflenet", "swin", "timm_vit", "vgg", "vit",
]  # fmt: skip
