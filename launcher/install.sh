# What is made of a build: an installed program, and packages. Sourced by the clone's launcher.

release_version() {
  sed -n '/<artifactId>vesper</{n;s:.*<version>\(.*\)</version>.*:\1:p;q}' "$root/pom.xml"
}

# Modules of the JDK that the libraries of module campaign use in what they do here, by jdeps; the program's own Java
# has them for that alone. The last one is found by its name, for members that DNS knows.
campaign_needs=java.management,java.naming,java.rmi,java.security.sasl,java.sql,jdk.management,jdk.naming.dns

# Builds module campaign, without which there is a program too: its libraries may be out of reach.
have_campaign() {
  if said=$(build_campaign 2>&1); then return; fi
  echo "vesper: campaigns on many computers (fuzz --listen, --join) are left out:" \
    "${said##*the build failed: }; the same line again adds them" >&2
  return 1
}

# Puts the program below a folder: bin/vesper, lib/vesper with its own Java, manual page and completion.
lay_out() {
  [ -x "$JAVA_HOME/bin/jlink" ] || {
    echo "vesper: the JDK in $JAVA_HOME has no jlink, which makes the program's own Java" >&2
    exit 2
  }
  more=
  if have_campaign; then more=,$campaign_needs; fi
  rm -rf "$1/lib/vesper"
  mkdir -p "$1/bin" "$1/lib" "$1/share/man/man1" "$1/share/bash-completion/completions" \
    "$1/share/zsh/site-functions" "$1/share/fish/vendor_completions.d" \
    "$1/share/vesper" "$1/share/doc/vesper" || exit 2
  "$JAVA_HOME/bin/jlink" --module-path "$modules" --add-modules "dev.vesper.cli$more" \
    --output "$1/lib/vesper" --compress zip-6 --no-header-files --no-man-pages >"$state/jlink.log" 2>&1 || {
    cat "$state/jlink.log" >&2
    exit 2
  }
  if [ -n "$more" ]; then cp -R "${modules%/lib}/campaign" "$1/lib/vesper/campaign"; fi
  mkdir "$1/lib/vesper/launcher"
  cp "$home/run.sh" "$home/jvm.options" "$home/needs.sh" "$home/doctor.sh" "$1/lib/vesper/launcher"
  rm -f "$1/bin/vesper"
  cp "$home/installed.sh" "$1/bin/vesper"
  chmod 755 "$1/bin/vesper"
  "$java" -p "$modules" -m dev.vesper.cli/dev.vesper.cli.Reference "$state"
  mv "$state/vesper.1" "$1/share/man/man1/vesper.1"
  mv "$state/vesper.bash" "$1/share/bash-completion/completions/vesper"
  mv "$state/vesper.zsh" "$1/share/zsh/site-functions/_vesper"
  mv "$state/vesper.fish" "$1/share/fish/vendor_completions.d/vesper.fish"
  cp "$root/cli/src/main/resources/dev/vesper/cli/gdb/vesper.py" "$1/share/vesper/vesper.py"
  documents "$1/share/doc/vesper"
}

# The pages, and whatever they lead to, in the places that they have in a clone.
documents() {
  mkdir -p "$1/launcher" || exit 2
  for page in "$root"/*.md "$root/LICENSE"; do cp "$page" "$1"; done
  cp "$home/run.sh" "$home/jvm.options" "$1/launcher"
  for folder in docs examples; do
    rm -rf "${1:?}/$folder"
    cp -R "$root/$folder" "$1/$folder"
  done
  # Of examples that were built the sources alone.
  rm -rf "$1"/examples/*/target
}

install_into() {
  mkdir -p "$1" 2>/dev/null && [ -w "$1" ] || {
    echo "vesper: cannot write to $1; install as who may, or say --prefix ~/.local" >&2
    exit 2
  }
  case "$1" in /*) ;; *) set -- "$PWD/$1" ;; esac
  lay_out "$1"
  # Java's own cache of the program as it is at this place.
  java=$1/lib/vesper/bin/java modules='' aot=$1/lib/vesper/vesper.aot home=$1/lib/vesper/launcher
  rehearse
  echo "vesper: installed $1/bin/vesper" >&2
}

# A jar that any Java 25 runs, with the options beside it that a launcher would give.
one_jar() {
  all=$state/jar
  rm -rf "$all" && mkdir -p "$all" || exit 2
  for part in "$modules"/*.jar; do
    case "$part" in */vesper-bench.jar) continue ;; esac
    (cd "$all" && "$JAVA_HOME/bin/jar" --extract --file "$part") || exit 2
  done
  rm -rf "$all/META-INF" "$all/module-info.class"
  printf 'Enable-Native-Access: ALL-UNNAMED\n' >"$state/manifest"
  "$JAVA_HOME/bin/jar" --create --file "$1" --main-class dev.vesper.cli.Main --manifest "$state/manifest" \
    -C "$all" . || exit 2
  rm -rf "$all" "$state/manifest"
}

# A package of Debian's with the program below /usr.
debian_package() {
  tree=$state/deb
  rm -rf "$tree" && mkdir -p "$tree/usr" "$tree/DEBIAN" || exit 2
  cp -R "$1/." "$tree/usr"
  gzip -9n "$tree/usr/share/man/man1/vesper.1"
  # Debian's zsh looks for packages' functions there.
  mkdir -p "$tree/usr/share/zsh/vendor-completions"
  mv "$tree/usr/share/zsh/site-functions/_vesper" "$tree/usr/share/zsh/vendor-completions/_vesper"
  rmdir "$tree/usr/share/zsh/site-functions"
  # Debian has its own name for it; pages lead to ours.
  mv "$tree/usr/share/doc/vesper/LICENSE" "$tree/usr/share/doc/vesper/copyright"
  ln -s copyright "$tree/usr/share/doc/vesper/LICENSE"
  # A hyphen would be the beginning of Debian's own part of the version.
  deb=$(echo "$version" | sed 's/-SNAPSHOT/~snapshot/; s/-/~/g')
  cat >"$tree/DEBIAN/control" <<END
Package: vesper
Version: $deb
Architecture: $(dpkg --print-architecture)
Maintainer: The Vesper developers <developers@vesper.dev>
Installed-Size: $(du -sk "$tree/usr" | cut -f1)
Depends: libc6, zlib1g
Recommends: busybox-static
Suggests: gdb
Section: otherosfs
Priority: optional
Homepage: https://vesper.dev
Description: software machine for AMD SEV-ES guests
 Runs unmodified kernels and firmware as guests with encrypted memory and state,
 on any computer: processor, secure processor and hypervisor are software. It
 brings its own Java.
END
  cat >"$tree/DEBIAN/postinst" <<'END'
#!/bin/sh
# A start takes half the time with Java's cache of what it needs, which is made for this computer.
set -e
if [ "$1" = configure ]; then
  image=/usr/lib/vesper
  home=$image/launcher java=$image/bin/java modules='' aot=$image/vesper.aot
  . "$home/run.sh"
  rehearse || :
fi
END
  cat >"$tree/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
rm -f /usr/lib/vesper/vesper.aot
END
  chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm"
  dpkg-deb --root-owner-group -Zxz --build "$tree" "$2/vesper_${deb}_$(dpkg --print-architecture).deb" >/dev/null \
    || exit 2
  rm -rf "$tree"
}

distribute() {
  version=$(release_version)
  mkdir -p "$1" || exit 2
  case "$1" in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
  name=vesper-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
  rm -rf "$state/dist" && mkdir -p "$state/dist/$name" || exit 2
  lay_out "$state/dist/$name"
  one_jar "$out/vesper-$version.jar"
  cp "$home/jvm.options" "$out/vesper-$version.options"
  tar -C "$state/dist" -czf "$out/$name.tar.gz" "$name"
  if command -v dpkg-deb >/dev/null 2>&1; then debian_package "$state/dist/$name" "$out"; fi
  rm -rf "$out/$name"
  mv "$state/dist/$name" "$out/$name"
  rm -rf "$state/dist"
  echo "vesper: in $out:" >&2
  (cd "$out" && du -sh -- * >&2)
}
