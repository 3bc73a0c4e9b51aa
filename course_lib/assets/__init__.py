"""The asset pack: a template and a clip in one folder. Its layout, whether it is sound, how it gets here.

    model/dolphin_model.pkl ...        the template (see `dolphin_model.MODEL_FILES`)
    data/CLIP/frames/000000.jpg ...    RGB frames
    data/CLIP/segmentation/000000.png  masks, 0 or 255; may be missing until the clip is segmented
    data/CLIP/metadata/altitude.npy    the drone's altitude, centimetres
    data/CLIP/metadata/clip.json       or this, of a clip of your own: rate, altitudes, camera (`clip_info`)
    data/CLIP/metadata/prompts.json    points to segment from (see `load_prompts`)
    data/CLIP/truth.npz                the embedded pack only
    manifest.json                      name, version, clip, checksums; packs from elsewhere have none

The embedded pack is `assets/pack` of the checkout that this package is imported from, so the package is to be
used from a checkout or installed from one with `pip install -e .`. Everything from elsewhere is untrusted:
pickles go through `dolphin_model.safe_pickle`, arrays are read without pickles, archives are unpacked by
`import_zip` alone.
"""

from .inspection import Findings, inspect_pack, sha256_manifest, verify_pack
from .pack import CHECKPOINTS, EMBEDDED_PACK, FOOTAGE, AssetPack, describe, find_pack, ready_fit
from .zip_import import ZipLimits, import_zip
