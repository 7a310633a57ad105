# vesper doctor: what this computer has of what Vesper can use. It needs no JDK and no build.
# $built says whether what is to be run is there; $home is the folder of this file.
. "$home/needs.sh"

# One need: name, state (ok, missing, or absent for what is not needed by everybody), what there is, what helps.
need() {
  if [ -n "$json" ]; then
    rows="$rows${rows:+,}{\"name\":\"$1\",\"state\":\"$2\",\"found\":\"$(quoted "$3")\",\"hint\":\"$(quoted "$4")\"}"
  else
    case "$2" in ok) mark=$tick ;; missing) mark=$cross ;; *) mark=$dash ;; esac
    printf '%s %-12s %s\n' "$mark" "$1" "$3"
    [ "$2" = ok ] || [ -z "$4" ] || printf '  %-12s %s\n' '' "$4"
  fi
  [ "$2" != missing ] || missing=yes
}

# A text as JSON has it.
quoted() {
  printf %s "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'
}

# A program that some commands use.
tool() {
  name=$1
  program=$2
  if has "$program"; then
    need "$name" ok "$(command -v "$program")" ''
  else
    need "$name" absent "no $program: $3" "$(how_to_get "$name")"
  fi
}

doctor() {
  json=
  case "${1:-}" in
    '') ;;
    --json) json=yes ;;
    *)
      echo "vesper: doctor takes --json, not '$1'" >&2
      exit 2
      ;;
  esac
  rows=
  missing=
  case "${LC_ALL:-${LC_CTYPE:-${LANG:-}}}" in
    *[Uu][Tt][Ff]8* | *[Uu][Tt][Ff]-8*) tick='✓' cross='✗' dash='·' ;;
    *) tick='[ok]' cross='[no]' dash='[--]' ;;
  esac

  if [ -n "$image" ]; then
    need jdk ok "Vesper's own Java in $image" ''
  elif find_jdk; then
    need jdk ok "$JAVA_HOME" ''
  else
    need jdk missing "no JDK 25" "$(how_to_get jdk)"
  fi
  [ -n "$image" ] || tool maven mvn "for the tests alone"
  if [ -n "$image" ] || [ -n "${is_fresh:-}" ]; then
    need build ok "$modules$image" ''
  else
    need build absent "nothing built, or older than its sources" "the next run builds it"
  fi

  total=
  {
    while read -r key kib _; do
      case "$key" in MemTotal:) total=$((kib / 1024)) ;; MemAvailable:) available=$((kib / 1024)) ;; esac
    done </proc/meminfo
  } 2>/dev/null || :
  if [ -z "$total" ]; then
    need memory absent "this system does not say" ''
  elif [ "$total" -ge 1400 ]; then
    need memory ok "$total MiB, ${available:-?} free; a guest of 512M takes about 1100" ''
  else
    need memory missing "$total MiB" "a guest of 512M takes about 1100; run with -m 128M --memory-limit 600M"
  fi
  need kvm ok "not needed: processors are software" ''

  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) sandbox ;;
    *) need sandbox absent "only Linux on x86-64 and aarch64 has it" "runs are held by Vesper's own checks alone" ;;
  esac
  case "$(uname -s)-$thp" in
    *'[madvise]'* | *'[always]'*) need huge-pages ok "transparent ones, for the guest's memory" '' ;;
    Linux-*) need huge-pages absent "none: runs are some percent slower" \
      "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled" ;;
    *) need huge-pages absent "this system has none for Java" '' ;;
  esac
  if [ -t 0 ] && [ -t 1 ]; then
    need terminal ok "a console's keys are the guest's; Ctrl-A x ends a run" ''
  else
    need terminal absent "standard input or output is none" "a guest's console is a pipe"
  fi

  found=
  for b in /bin/busybox /usr/bin/busybox /usr/sbin/busybox.static /bin/busybox.static; do
    # A static program names no interpreter.
    if [ -z "$found" ] && [ -r "$b" ] && ! head -c 1024 "$b" | grep -q ld-linux; then found=$b; fi
  done
  if [ -n "$found" ]; then
    need busybox ok "$found, for boot" ''
  else
    need busybox absent "no static one: boot has no shell" "$(how_to_get busybox)"
  fi
  if has apt-get && has dpkg-deb; then
    need apt ok "boot can fetch Debian's kernel" ''
  else
    need apt absent "boot needs a kernel that is named" ''
  fi
  tool gdb gdb "to debug guests from outside"
  tool qemu qemu-system-x86_64 "bench compares with it"

  caches=${VESPER_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/vesper}
  place=$caches
  while [ ! -d "$place" ] && [ "$place" != / ] && [ "$place" != . ]; do place=$(dirname -- "$place"); done
  room=$(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
  used=$(du -sk "$caches" 2>/dev/null | awk '{ print int($1 / 1024) }')
  if [ ! -w "$place" ]; then
    need cache absent "$caches cannot be written to" "set XDG_CACHE_HOME; boot keeps kernels there"
  elif [ "${room:-1000}" -lt 300 ]; then
    need cache missing "$caches: ${room} MiB free" "a kernel takes 130 MiB, a build 40"
  else
    need cache ok "$caches: ${used:-0} MiB used, ${room:-?} MiB free" ''
  fi

  [ -z "$json" ] || printf '{"schema":"vesper.doctor/1","ok":%s,"needs":[%s]}\n' \
    "$([ -n "$missing" ] && echo false || echo true)" "$rows"
  [ -z "$missing" ] || exit 1
}

# The kernel's two parts of the sandbox: what it says of itself is all that can be known without a run.
sandbox() {
  calls=
  {
    while read -r key _; do
      case "$key" in Seccomp:) calls=yes ;; esac
    done </proc/self/status
  } 2>/dev/null || :
  modules_on=
  { read -r modules_on </sys/kernel/security/lsm; } 2>/dev/null || :
  release=$(uname -r)
  major=${release%%.*}
  minor=${release#*.}
  minor=${minor%%[!0-9]*}
  case "$modules_on" in
    *landlock*) files=yes ;;
    '')
      # Nobody may look: kernels have it since 5.13 if they were built with it.
      if [ "$major" -gt 5 ] || { [ "$major" = 5 ] && [ "${minor:-0}" -ge 13 ]; }; then files=perhaps; else files=no; fi
      ;;
    *) files=no ;;
  esac
  case "$files$calls" in
    yesyes) need sandbox ok "Landlock and seccomp" '' ;;
    perhapsyes) need sandbox ok "seccomp, and Landlock if the kernel was built with it" "" ;;
    *yes) need sandbox absent "seccomp alone" "Landlock: Linux 5.13, and landlock in the kernel's lsm= list" ;;
    *) need sandbox absent "none" "seccomp is not in this kernel, or hidden by a container" ;;
  esac
}
