#!/bin/bash
# Submits round 0, and what merges afterwards.
set -euo pipefail
cd /state
array=$(condor_submit -terse round-0.sub)
array=${array%%.*}
echo "array $array" | tee round-0.jobs
merge=$(condor_submit -terse merge-0.sub array="$array" wait="$(command -v condor_wait)")
echo "merge ${merge%%.*}" | tee -a round-0.jobs
