"""What the tutorial tells its segmenter about its own clip; its zip does not hold it."""

TUTORIAL_CLIP = "2024_08_20_DF2_S8_SW_TT_ELM-fb_23450-fe_23950"
_ON_THE_ANIMAL = [[360, 245], [326, 287], [334, 293], [336, 280], [348, 251], [348, 262], [356, 259]]
_BESIDE_IT = [[273, 272], [290, 229], [280, 245], [546, 125], [339, 180], [402, 311], [316, 261]]
TUTORIAL_PROMPTS = {"frame": 0, "points": _ON_THE_ANIMAL + _BESIDE_IT, "labels": [1] * 7 + [0] * 7}
