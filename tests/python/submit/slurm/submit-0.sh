#!/bin/bash
# Submits round 0, and the job that merges afterwards.
set -euo pipefail
cd "/state"
jobs=round-0.jobs
if grep -qs '^merge ' $jobs; then
    echo "round 0 is submitted already" >&2
    exit 1
fi
# There, if what merges could not be submitted then.
array=$(sed -n 's/^array //p' $jobs 2>/dev/null || true)
if [ -z "$array" ]; then
    array=$(sbatch --parsable round-0.sh)
    echo "array $array" | tee $jobs
fi
merge=$(sbatch --parsable --dependency="afterany:${array%%;*}" merge-0.sh)
echo "merge $merge" | tee -a $jobs
