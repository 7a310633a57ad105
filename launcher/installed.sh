#!/bin/sh
# Vesper's launcher where it is installed: it brings its own Java, PREFIX/lib/vesper.
set -eu
self=$0
case "$self" in */*) ;; *) self=$(command -v -- "$self") ;; esac
while [ -L "$self" ]; do
  to=$(readlink -- "$self")
  case "$to" in /*) self=$to ;; *) self=${self%/*}/$to ;; esac
done
image=${self%/*}
case "$image" in
  /*/bin) image=${image%/bin}/lib/vesper ;;
  *) image=$(CDPATH= cd -P -- "$image/../lib/vesper" && pwd) ;;
esac
home=$image/launcher
java=$image/bin/java
modules=
aot=$image/vesper.aot
# shellcheck source=launcher/run.sh
. "$home/run.sh"
if [ "${1:-}" = doctor ]; then
  shift
  # shellcheck source=launcher/doctor.sh
  . "$home/doctor.sh"
  doctor "$@"
  exit
fi
# It is there if its libraries could be had when this was installed; the command says so if not.
if is_shared "$@" && [ -d "$image/campaign" ]; then cluster=$image/campaign; fi
become "$@"
