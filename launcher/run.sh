# How Java is started for Vesper, for launchers in sh: sourced by the clone's and the installed one's.
# $home is the folder of this file; $java is the java to run.

# Sets $mib to a size such as 512M, 2G or 512, or to nothing if it is none.
size() {
  mib=
  # QEMU writes it in more ways: size=2G,slots=2; 2GiB; 1.5G, for which 2 are room enough.
  all=${1#size=}
  all=${all%%,*}
  case "$all" in
    *[MmGg][Ii][Bb]) all=${all%??} ;;
    *[MmGg][Bb]) all=${all%?} ;;
  esac
  number=${all%[MmGg]}
  case "$number" in
    *.*[!0-9]* | .*) return ;;
    *.*) part=1 number=${number%%.*} ;;
    *) part=0 ;;
  esac
  case "$number" in '' | *[!0-9]* | ???????*) return ;; esac
  # A shell takes a number with zeros in front for an octal one.
  while [ "$number" != "${number#0}" ] && [ ${#number} -gt 1 ]; do number=${number#0}; done
  number=$((number + part))
  case "$all" in *[Gg]) mib=$((number * 1024)) ;; *) mib=$number ;; esac
}

# Sets $guest and $limit from the words of a command line, or of a file of them.
sizes() {
  asked=
  for a in "$@"; do
    case "$asked" in
      -m) size "$a"; guest=${mib:-$guest} ;;
      limit) size "$a"; limit=$mib ;;
      config) configured "$a" ;;
    esac
    asked=
    case "$a" in
      -m | --memory) asked=-m ;;
      --memory-limit) asked=limit ;;
      --config) asked=config ;;
      -m=* | --memory=*) size "${a#*=}"; guest=${mib:-$guest} ;;
      --memory-limit=*) size "${a#*=}"; limit=$mib ;;
      --config=*) configured "${a#*=}" ;;
      @?*) words "${a#@}" ;;
      --) break ;;
    esac
  done
}

# The same of a file of arguments, and of one of settings. A file that cannot be read is the command's to
# complain of.
words() {
  [ -f "$1" ] && [ -r "$1" ] || return 0
  before=
  while read -r line || [ -n "$line" ]; do
    for word in $line; do
      word=${word#[\"\']}
      word=${word%[\"\']}
      case "$before" in
        -m | --memory) size "$word"; guest=${mib:-$guest} ;;
        --memory-limit) size "$word"; limit=$mib ;;
      esac
      before=$word
      case "$word" in
        -m=* | --memory=*) size "${word#*=}"; guest=${mib:-$guest} ;;
        --memory-limit=*) size "${word#*=}"; limit=$mib ;;
      esac
    done
  done <"$1"
}

configured() {
  [ -f "$1" ] && [ -r "$1" ] || return 0
  while IFS='= 	' read -r name value || [ -n "$name" ]; do
    value=${value%%#*}
    value=${value%%[ 	]*}
    value=${value#[\"\']}
    value=${value%[\"\']}
    name=${name#[\"\']}
    case "${name%[\"\']}" in
      m | memory) size "$value"; guest_set=${mib:-$guest_set} ;;
      memory-limit) size "$value"; limit_set=$mib ;;
    esac
  done <"$1"
}

# Sets $heap: room for what the machine needs, and for the guest's memory, which lies outside the heap; together
# no more than what --memory-limit leaves. The command itself refuses sizes that cannot be.
heap() {
  guest=
  limit=
  # What stands on the command line counts more than a file of settings, wherever it stands.
  guest_set=
  limit_set=
  set -f
  sizes "$@"
  set +f
  guest=${guest:-${guest_set:-512}}
  limit=${limit:-$limit_set}
  if [ -n "$limit" ]; then
    most=$((limit - 256))
  else
    # Kernels and initial RAM disks are read into the heap before they are put into the guest's memory; what the
    # machine keeps of each page is less than what they are given.
    more=$((guest / 4))
    [ "$more" -le 4096 ] || more=4096
    most=$((guest + more + 512))
    # No more than three quarters of the computer's memory, where the system tells how much that is.
    total=
    {
      while read -r name total _; do
        case "$name" in MemTotal:) break ;; *) total= ;; esac
      done </proc/meminfo
    } 2>/dev/null || :
    if [ -n "$total" ] && [ "$most" -gt $((total / 1024 * 3 / 4)) ]; then most=$((total / 1024 * 3 / 4)); fi
  fi
  rest=$((most - guest))
  [ "$rest" -ge 128 ] || rest=128
  # A guest may have more memory than there is: it gets as much as the machine leaves, when it touches it.
  if [ -z "$limit" ] && [ "$rest" -lt $((most / 16 + 128)) ]; then
    rest=$((most / 16 + 128))
    most=$((most - rest))
  fi
  # What Java keeps outside its heap for files and connections is besides the guest's memory.
  heap="-Xmx${rest}m -XX:MaxDirectMemorySize=$((guest + 128))m -Dvesper.room=$most"
  [ -z "$limit" ] || heap="$heap -XX:MaxMetaspaceSize=80m -XX:ReservedCodeCacheSize=96m"
}

# Decoded code and the machine's own lie all over the heap; guest memory asks for its own. Only Linux has the option, and a JVM warns where
# the system does not allow it.
pages=
thp=
{ read -r thp </sys/kernel/mm/transparent_hugepage/enabled; } 2>/dev/null || :
case "$thp" in *'[madvise]'* | *'[always]'*) pages=-XX:+UseTransparentHugePages ;; esac

heap=-XX:MaxRAMPercentage=75

# The command calls the system to confine its runs, the machine to reach shared folders.
native=--enable-native-access=dev.vesper.cli,dev.vesper.machine

# The folder of module campaign and its libraries, for who needs them: campaigns on many computers.
cluster=

# Whether a line shares a campaign with other computers, itself or by a file of its words.
is_shared() {
  [ "${1:-}" = fuzz ] || return 1
  for a in "$@"; do
    case "$a" in
      --listen | --listen=* | --join | --join=*) return 0 ;;
      @?*)
        if [ -f "${a#@}" ] && [ -r "${a#@}" ]; then
          while read -r line || [ -n "$line" ]; do
            case " $line" in
              ' #'*) ;;
              *[\ \"\']--listen* | *[\ \"\']--join*) return 0 ;;
            esac
          done <"${a#@}"
        fi
        ;;
    esac
  done
  return 1
}

# Becomes the command that a line names. $modules is the folder of its jars, or nothing if $java has them itself;
# $aot is a cache of classes, which need not be there.
become() {
  # Options alone are a run.
  case "${1:-}" in run | boot | -* | @*) heap "$@" ;; esac
  start dev.vesper.cli/dev.vesper.cli.Main "$@"
}

# Becomes a class.
start() {
  main=$1
  shift
  if [ -n "$cluster" ]; then
    # Infinispan's jars are no modules: they are on the class path, which that one module reads. Java's cache is of
    # a start without them.
    set -- -p "${modules:+$modules:}$cluster" -cp "$cluster/lib/*" --add-modules ALL-DEFAULT \
      --add-reads dev.vesper.campaign=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -m "$main" "$@"
    native=$native,ALL-UNNAMED
    aot=
  elif [ -n "$modules" ]; then
    set -- -p "$modules" -m "$main" "$@"
  else
    set -- -m "$main" "$@"
  fi
  [ ! -f "$aot" ] || set -- "-XX:AOTCache=$aot" -Xlog:aot=off -Xlog:cds=off "$@"
  # shellcheck disable=SC2086
  exec "$java" "@$home/jvm.options" $pages $heap $native "$@"
}

# Has the JVM note in $aot what a start needs, and what looks on. A start without is slower and no more.
rehearse() {
  trace=$aot.jsonl
  [ -z "$modules" ] || set -- -p "$modules"
  # shellcheck disable=SC2086
  "$java" "@$home/jvm.options" $pages $heap $native "-XX:AOTCacheOutput=$aot" "$@" \
    -m dev.vesper.cli/dev.vesper.cli.Rehearsal run --check --trace "$trace" </dev/null >/dev/null 2>&1 \
    || rm -f "$aot"
  rm -f "$trace"
}
