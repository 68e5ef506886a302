#!/bin/bash
# Submits a task for each dataset. Afterwards: `rucio download` of what --outDS names, with _output.root behind it, and
# hep-run merge -o RESULT.root of all that came.
set -euo pipefail
cd "/state/grid"
user=${RUCIO_ACCOUNT:-$USER}
now=$(date +%s)
prun --exec "./run.sh 0.json %IN" --inDS data18:data18.muons --outDS "user.$user.grid.data.HASH.$now" --outputs output.root \
    --noBuild --extFile hep-run-HASH --nJobs 40 --nCore 1 --memory 300 --vo wlcg --site ANALY_SITE --workingGroup 'it'\''s two words'
prun --exec "./run.sh 1.json %IN" --pfnList 1.pfns --outDS "user.$user.grid.urls.HASH.$now" --outputs output.root \
    --noBuild --extFile hep-run-HASH --nJobs 40 --nCore 1 --memory 300 --vo wlcg --site ANALY_SITE --workingGroup 'it'\''s two words'
