package dev.vesper.bench;

import java.util.List;

/**
 * Something that users do all day, in Debian's user space.
 *
 * @param architecture of kernel and programs, as Debian calls it
 * @param packages that it needs besides busybox
 * @param memory for {@code -m}
 * @param processors for {@code -smp}
 * @param work lines of a shell
 */
record Workload(
    String name,
    String architecture,
    List<String> packages,
    String memory,
    int processors,
    String work) {
  private static final List<String> PYTHON =
      List.of(
          "libc6",
          "zlib1g",
          "libexpat1",
          "libssl3",
          "libbz2-1.0",
          "liblzma5",
          "libffi8",
          "python3.11-minimal",
          "libpython3.11-minimal",
          "libpython3.11-stdlib",
          "libpython3.11-testsuite");

  /** What stress-ng is linked with, and what that needs. */
  private static final List<String> STRESS =
      List.of(
          "libc6",
          "libapparmor1",
          "libbsd0",
          "libmd0",
          "libcrypt1",
          "libegl1",
          "libglvnd0",
          "libgbm1",
          "libdrm2",
          "libwayland-server0",
          "libexpat1",
          "libffi8",
          "libgles2",
          "libipsec-mb1",
          "libjpeg62-turbo",
          "libjudydebian1",
          "libkmod2",
          "libzstd1",
          "liblzma5",
          "libssl3",
          "libsctp1",
          "libxxhash0",
          "zlib1g",
          "stress-ng");

  private static final String HRTIMERS = "stress-ng --hrtimers 1 -t 1 --temp-path /tmp\n";

  private static final String TEST = "python3.11 -m test ";

  /** OpenSSL's own {@code speed} measures for a time; this is the same work everywhere. */
  private static final String OPENSSL =
      """
      busybox head -c 33554432 /dev/zero > /tmp/zeros
      for i in 1 2 3 4; do openssl dgst -sha256 /tmp/zeros; openssl dgst -sha512 /tmp/zeros
      openssl enc -aes-128-cbc -K 00 -iv 00 -in /tmp/zeros -out /dev/null 2>/dev/null; done
      """;

  private static final String GZIP =
      """
      for f in /bin/busybox /lib/*/libc.so.6; do gzip -9 < $f | gzip -d | busybox md5sum; done
      """;

  private static final String SCALE =
      """
      busybox nproc
      busybox mount -t tmpfs -o size=8g tmpfs /tmp
      for i in 1 2 3 4 5 6 7 8; do
      busybox head -c 134217728 /dev/zero > /tmp/$i && busybox cksum /tmp/$i & done
      wait
      """;

  /** {@return all of them} */
  static List<Workload> all() {
    return List.of(
        new Workload("math", "amd64", PYTHON, "512M", 1, TEST + "test_math\n"),
        new Workload("hashlib", "amd64", PYTHON, "512M", 1, TEST + "test_hashlib\n"),
        new Workload("math-i386", "i386", PYTHON, "512M", 1, TEST + "test_math\n"),
        new Workload("hashlib-i386", "i386", PYTHON, "512M", 1, TEST + "test_hashlib\n"),
        new Workload("gzip", "amd64", List.of("libc6", "gzip"), "512M", 1, GZIP),
        new Workload(
            "openssl", "amd64", List.of("libc6", "libssl3", "openssl"), "512M", 1, OPENSSL),
        new Workload("hrtimers", "amd64", STRESS, "512M", 1, HRTIMERS),
        new Workload("scale", "amd64", List.of(), "16G", 8, SCALE));
  }

  /** {@return Debian's package that depends on the kernel} */
  String kernel() {
    return architecture.equals("i386") ? "linux-image-686" : "linux-image-cloud-amd64";
  }

  /** {@return the options of the guest, in words that we and QEMU have} */
  List<String> machine() {
    return List.of("-m", memory, "-smp", Integer.toString(processors));
  }

  /** {@return whether a file of the packages is of use: the tests of Python are many} */
  static boolean needs(String path) {
    String python = "usr/lib/python3.11/test/";
    if (path.startsWith(python)) {
      String below = path.substring(python.length());
      return below.matches("(support|libregrtest)/.*|__\\w+__\\.py|test_(math|hashlib)\\.py")
          || below.matches("\\w+\\.txt");
    }
    return !path.startsWith("usr/share/") && !path.startsWith("usr/lib/x86_64-linux-gnu/gconv/");
  }

  /** {@return /init, which says when the work begins and ends} */
  String init() {
    return """
        #!/bin/busybox sh
        busybox=/bin/busybox
        $busybox mount -t proc proc /proc
        $busybox mount -t devtmpfs dev /dev
        $busybox mount -t sysfs sys /sys
        $busybox ln -s /proc/self/fd /dev/fd
        export PATH=/usr/bin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
        echo BEGIN-OF-WORK
        """
        + work
        + "echo END-OF-WORK $?.\n/bin/busybox poweroff -f\n";
  }
}
