"""The command line: the one place that knows all the packages and puts them together.

In the order of a first look: `cli` (every command), `doctor` (what this machine has) with `assumptions`
(about a clip of your own), `clip` (a pack from a video of your own) with `follow` (windows of it around
the animal), `prompts` (a page for clicking points on it), `second_round` (masks, made again with what a
fit to them knows), `demo` (clip to report) with `guard` (stops it before a NaN), `sizes` (the animal's
size and how sure it is), `judgement` (what speaks against a fit) and `fit_report` (the page that shows
it), `measure` (the same for all clips of a season)."""
