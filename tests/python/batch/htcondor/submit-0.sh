#!/bin/bash
# Submits round 0, and the node that merges afterwards.
set -euo pipefail
cd /state
said=$(condor_submit_dag -f round-0.dag)
echo "array $(sed -n 's/.*submitted to cluster \([0-9]*\).*/\1/p' <<< "$said")" | tee round-0.jobs
