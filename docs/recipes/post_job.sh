#!/bin/sh
# Post-job of any farm: release the publish whose id (or recording) is given, and say what became of it.
#
# From the environment: FTRACK_SERVER and TRACKTEROID_REDIS_URL; TRACKTEROID_SPOOL where nodes come and go. No API key.
trackteroid release "$@"
code=$?
case $code in
    0) ;;
    # Accepted in the spool: Redis is away, the workers will carry it out. For the farm the job is done.
    75) code=0 ;;
    74) echo "Frames are missing: render them and run this again, or: trackteroid release --partial $*" >&2 ;;
esac
exit $code
