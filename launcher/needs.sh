# What installs a need on this system, for launchers in sh.

has() {
  command -v "$1" >/dev/null 2>&1
}

# Whether apt has a package.
apt_has() {
  [ -n "$(apt-cache --quiet=2 policy "$1" 2>/dev/null | grep 'Candidate: [^(]')" ]
}

# Says the one line that installs a need by the package manager that there is.
how_to_get() {
  sudo=
  if [ "$(id -u)" != 0 ] && has sudo; then sudo='sudo '; fi
  if has apt-get; then
    case "$1" in
      jdk)
        for p in openjdk-25-jdk-headless temurin-25-jdk; do
          if apt_has $p; then echo "${sudo}apt-get install -y $p"; return; fi
        done
        ;;
      qemu) echo "${sudo}apt-get install -y qemu-system-x86"; return ;;
      busybox) echo "${sudo}apt-get install -y busybox-static"; return ;;
      *) echo "${sudo}apt-get install -y $1"; return ;;
    esac
  elif has dnf; then
    case "$1" in
      jdk) echo "${sudo}dnf install -y java-25-openjdk-devel java-25-openjdk-jmods" ;;
      qemu) echo "${sudo}dnf install -y qemu-system-x86" ;;
      *) echo "${sudo}dnf install -y $1" ;;
    esac
    return
  elif has brew; then
    case "$1" in
      jdk) echo "brew install openjdk@25" ;;
      *) echo "brew install $1" ;;
    esac
    return
  elif [ "$1" = maven ] && [ -d "${HOME:-}/.sdkman" ]; then
    echo "sdk install maven"
    return
  elif has zypper; then
    case "$1" in
      jdk) echo "${sudo}zypper install -y java-25-openjdk-devel java-25-openjdk-jmods" ;;
      *) echo "${sudo}zypper install -y $1" ;;
    esac
    return
  elif has apk; then
    case "$1" in
      jdk) echo "${sudo}apk add openjdk25" ;;
      qemu) echo "${sudo}apk add qemu-system-x86_64" ;;
      *) echo "${sudo}apk add $1" ;;
    esac
    return
  elif has pacman; then
    case "$1" in
      jdk) echo "${sudo}pacman -S --noconfirm jdk25-openjdk" ;;
      qemu) echo "${sudo}pacman -S --noconfirm qemu-system-x86" ;;
      *) echo "${sudo}pacman -S --noconfirm $1" ;;
    esac
    return
  elif [ "$1" != jdk ]; then
    echo "install $1 and put it into PATH"
    return
  fi
  if [ -d "${HOME:-}/.sdkman" ]; then
    echo "sdk install java 25-tem"
    return
  fi
  # Wherever there is no package: where the launcher looks, without root.
  case "$(uname -m)" in aarch64 | arm64) cpu=aarch64 ;; *) cpu=x64 ;; esac
  case "$(uname -s)" in Darwin) os=mac ;; *) os=linux ;; esac
  echo "mkdir -p ~/.jdks && curl -fL https://api.adoptium.net/v3/binary/latest/25/ga/$os/$cpu/jdk/hotspot/normal/eclipse | tar -xz -C ~/.jdks"
}
