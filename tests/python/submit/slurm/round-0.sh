#!/bin/bash
#SBATCH --job-name=muons
#SBATCH --array=0-5
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=300M
#SBATCH --output=/state/logs/0-%a.txt
#SBATCH --partition short
#SBATCH --qos=debug
#SBATCH --time=30
#SBATCH "--comment=two words"
# One part of the ranges of job.json; made by `hep-run submit`.
set -euo pipefail
cd "/state"
part=$SLURM_ARRAY_TASK_ID
ranges=$(sed -n "$((part + 1))p" round-0.parts)
exec ./hep-run-HASH map job.json "$ranges" partials/0-$part.partial --workers 1 --progress plain
