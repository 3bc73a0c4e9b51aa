"""What README.md and benchmarks/README.md state, measured: `python -m benchmarks`.

fits, steps, kernels, device    whole fits against the truth; where the time goes; the same on a GPU
animals, with bodies            other animals than the template
calibration                     whether intervals hold the truth
seas, colours                   the tracker on other water; light in waves
grading, cluster, reading       what a class costs, also on a cluster; the worst files of students
tables, pictures                from results.json to the READMEs
clip_programs                   the programs of assets/ as modules
"""
