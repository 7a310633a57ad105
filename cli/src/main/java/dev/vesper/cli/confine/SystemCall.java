package dev.vesper.cli.confine;

/**
 * System calls by name, with their numbers (asm/unistd_64.h for x86-64, asm-generic/unistd.h for
 * aarch64), and what becomes of them in a confined process.
 */
enum SystemCall {
  // New programs and processes.
  EXECVE(59, 221, Fate.REFUSED),
  EXECVEAT(322, 281, Fate.REFUSED),
  FORK(57, Fate.REFUSED),
  VFORK(58, Fate.REFUSED),
  CLONE(56, 220, Fate.BY_ARGUMENT),
  CLONE3(435, 435, Fate.BY_ARGUMENT),

  // Other processes.
  PTRACE(101, 117, Fate.REFUSED),
  PROCESS_VM_READV(310, 270, Fate.REFUSED),
  PROCESS_VM_WRITEV(311, 271, Fate.REFUSED),
  PROCESS_MADVISE(440, 440, Fate.REFUSED),
  PROCESS_MRELEASE(448, 448, Fate.REFUSED),
  KCMP(312, 272, Fate.REFUSED),
  MOVE_PAGES(279, 239, Fate.REFUSED),
  MIGRATE_PAGES(256, 238, Fate.REFUSED),
  PIDFD_OPEN(434, 434, Fate.REFUSED),
  PIDFD_GETFD(438, 438, Fate.REFUSED),
  PIDFD_SEND_SIGNAL(424, 424, Fate.REFUSED),
  KILL(62, 129, Fate.BY_ARGUMENT),
  TGKILL(234, 131, Fate.BY_ARGUMENT),
  RT_SIGQUEUEINFO(129, 138, Fate.BY_ARGUMENT),
  RT_TGSIGQUEUEINFO(297, 240, Fate.BY_ARGUMENT),

  // Sockets. A pair that is connected to itself stays: the JVM uses one to close others.
  SOCKET(41, 198, Fate.BY_ARGUMENT),
  CONNECT(42, 203, Fate.FOR_CONNECTIONS),
  BIND(49, 200, Fate.REFUSED),
  LISTEN(50, 201, Fate.REFUSED),
  ACCEPT(43, 202, Fate.FOR_VISITORS),
  ACCEPT4(288, 242, Fate.FOR_VISITORS),

  // A second way to most system calls, which a filter does not see.
  IO_URING_SETUP(425, 425, Fate.REFUSED),
  IO_URING_ENTER(426, 426, Fate.REFUSED),
  IO_URING_REGISTER(427, 427, Fate.REFUSED),

  // Other ways to files than their names.
  OPEN_BY_HANDLE_AT(304, 265, Fate.REFUSED),
  MOUNT(165, 40, Fate.REFUSED),
  UMOUNT2(166, 39, Fate.REFUSED),
  PIVOT_ROOT(155, 41, Fate.REFUSED),
  CHROOT(161, 51, Fate.REFUSED),
  OPEN_TREE(428, 428, Fate.REFUSED),
  MOVE_MOUNT(429, 429, Fate.REFUSED),
  FSOPEN(430, 430, Fate.REFUSED),
  FSCONFIG(431, 431, Fate.REFUSED),
  FSMOUNT(432, 432, Fate.REFUSED),
  FSPICK(433, 433, Fate.REFUSED),
  MOUNT_SETATTR(442, 442, Fate.REFUSED),
  OPEN_TREE_ATTR(467, 467, Fate.REFUSED),
  UNSHARE(272, 97, Fate.REFUSED),
  SETNS(308, 268, Fate.REFUSED),
  MKNOD(133, Fate.REFUSED),
  MKNODAT(259, 33, Fate.REFUSED),
  FANOTIFY_INIT(300, 262, Fate.REFUSED),
  FANOTIFY_MARK(301, 263, Fate.REFUSED),
  QUOTACTL(179, 60, Fate.REFUSED),
  QUOTACTL_FD(443, 443, Fate.REFUSED),
  MQ_OPEN(240, 180, Fate.REFUSED),
  MQ_UNLINK(241, 181, Fate.REFUSED),

  // Modes, owners, times and attributes of files by name, which Landlock does not look at.
  CHMOD(90, Fate.FOR_FOLDERS),
  FCHMODAT(268, 53, Fate.FOR_FOLDERS),
  FCHMODAT2(452, 452, Fate.FOR_FOLDERS),
  CHOWN(92, Fate.FOR_FOLDERS),
  LCHOWN(94, Fate.FOR_FOLDERS),
  FCHOWNAT(260, 54, Fate.FOR_FOLDERS),
  UTIME(132, Fate.FOR_FOLDERS),
  UTIMES(235, Fate.FOR_FOLDERS),
  FUTIMESAT(261, Fate.FOR_FOLDERS),
  UTIMENSAT(280, 88, Fate.FOR_FOLDERS),
  SETXATTR(188, 5, Fate.FOR_FOLDERS),
  LSETXATTR(189, 6, Fate.FOR_FOLDERS),
  REMOVEXATTR(197, 14, Fate.FOR_FOLDERS),
  LREMOVEXATTR(198, 15, Fate.FOR_FOLDERS),
  SETXATTRAT(463, 463, Fate.FOR_FOLDERS),
  REMOVEXATTRAT(466, 466, Fate.FOR_FOLDERS),
  FILE_SETATTR(469, 469, Fate.FOR_FOLDERS),

  // The computer itself.
  REBOOT(169, 142, Fate.REFUSED),
  KEXEC_LOAD(246, 104, Fate.REFUSED),
  KEXEC_FILE_LOAD(320, 294, Fate.REFUSED),
  INIT_MODULE(175, 105, Fate.REFUSED),
  FINIT_MODULE(313, 273, Fate.REFUSED),
  DELETE_MODULE(176, 106, Fate.REFUSED),
  BPF(321, 280, Fate.REFUSED),
  PERF_EVENT_OPEN(298, 241, Fate.REFUSED),
  USERFAULTFD(323, 282, Fate.REFUSED),
  SWAPON(167, 224, Fate.REFUSED),
  SWAPOFF(168, 225, Fate.REFUSED),
  ACCT(163, 89, Fate.REFUSED),
  SETTIMEOFDAY(164, 170, Fate.REFUSED),
  CLOCK_SETTIME(227, 112, Fate.REFUSED),
  ADJTIMEX(159, 171, Fate.REFUSED),
  CLOCK_ADJTIME(305, 266, Fate.REFUSED),
  SETHOSTNAME(170, 161, Fate.REFUSED),
  SETDOMAINNAME(171, 162, Fate.REFUSED),
  IOPL(172, Fate.REFUSED),
  IOPERM(173, Fate.REFUSED),
  MODIFY_LDT(154, Fate.REFUSED),
  USELIB(134, Fate.REFUSED),
  LOOKUP_DCOOKIE(212, 18, Fate.REFUSED),
  NFSSERVCTL(180, 42, Fate.REFUSED),
  VHANGUP(153, 58, Fate.REFUSED),
  SYSLOG(103, 116, Fate.REFUSED),
  PERSONALITY(135, 92, Fate.REFUSED),
  ADD_KEY(248, 217, Fate.REFUSED),
  REQUEST_KEY(249, 218, Fate.REFUSED),
  KEYCTL(250, 219, Fate.REFUSED),
  IOCTL(16, 29, Fate.BY_ARGUMENT),

  // Who the process is.
  SETUID(105, 146, Fate.REFUSED),
  SETGID(106, 144, Fate.REFUSED),
  SETREUID(113, 145, Fate.REFUSED),
  SETREGID(114, 143, Fate.REFUSED),
  SETRESUID(117, 147, Fate.REFUSED),
  SETRESGID(119, 149, Fate.REFUSED),
  SETGROUPS(116, 159, Fate.REFUSED),
  SETFSUID(122, 151, Fate.REFUSED),
  SETFSGID(123, 152, Fate.REFUSED),
  CAPSET(126, 91, Fate.REFUSED),

  // What this package itself calls.
  OPENAT(257, 56, Fate.ALLOWED),
  CLOSE(3, 57, Fate.ALLOWED),
  GETPID(39, 172, Fate.ALLOWED),
  PRCTL(157, 167, Fate.ALLOWED),
  SECCOMP(317, 277, Fate.ALLOWED),
  LANDLOCK_CREATE_RULESET(444, 444, Fate.ALLOWED),
  LANDLOCK_ADD_RULE(445, 445, Fate.ALLOWED),
  LANDLOCK_RESTRICT_SELF(446, 446, Fate.ALLOWED);

  /** What becomes of a call. */
  enum Fate {
    ALLOWED,
    REFUSED,
    /** As its arguments are. */
    BY_ARGUMENT,
    /** Refused unless a shared folder can be written. */
    FOR_FOLDERS,
    /** Refused unless somebody may connect to the guest. */
    FOR_VISITORS,
    /** Refused unless the guest may connect to somebody. */
    FOR_CONNECTIONS
  }

  /** There is no such call. */
  static final int NONE = -1;

  final Fate fate;
  private final int x86;
  private final int arm;

  SystemCall(int x86, int arm, Fate fate) {
    this.x86 = x86;
    this.arm = arm;
    this.fate = fate;
  }

  /** A call that only x86-64 has; newer architectures go without what was replaced. */
  SystemCall(int x86, Fate fate) {
    this(x86, NONE, fate);
  }

  /** {@return its number, or {@link #NONE}} */
  int number(Architecture a) {
    return switch (a) {
      case X86_64 -> x86;
      case AARCH64 -> arm;
    };
  }
}
