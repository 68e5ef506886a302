#!/bin/bash
# Submits round 0, and what merges afterwards.
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
    array=$(condor_submit -terse round-0.sub)
    array=${array%%.*}
    echo "array $array" | tee $jobs
fi
merge=$(condor_submit -terse merge-0.sub array="$array" wait="$(command -v condor_wait)")
echo "merge ${merge%%.*}" | tee -a $jobs
