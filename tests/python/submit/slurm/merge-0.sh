#!/bin/bash
#SBATCH --job-name=muons-merge
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=300M
#SBATCH --output=/state/logs/merge-0.txt
#SBATCH --partition short
#SBATCH --qos=debug
#SBATCH --time=30
#SBATCH "--comment=two words"
# Merges what the jobs have left; made by `hep-run submit`.
set -euo pipefail
cd "/state"
exec ./hep-run-HASH merge .
