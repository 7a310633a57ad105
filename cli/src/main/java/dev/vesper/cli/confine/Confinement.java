package dev.vesper.cli.confine;

/**
 * How far the system holds this process to a {@link Policy}: by Landlock the thread that asked for
 * it and all that it starts from then on, by seccomp every thread. There is no way back.
 *
 * @param files what Landlock does, in words
 * @param calls what seccomp does, in words
 * @param whole whether both hold
 */
public record Confinement(String files, String calls, boolean whole) {
  private static final int SET_NO_NEW_PRIVS = 38;

  private static Confinement none(String why) {
    return new Confinement(why, why, false);
  }

  /** Confines the calling thread, the threads that it will start, and the process. */
  public static Confinement apply(Policy p) {
    return apply(p, false);
  }

  /** Begins with what takes time and can be done beside other things. */
  public static void prepare() {
    if (Architecture.here() != null && Confinement.class.getModule().isNativeAccessEnabled()) {
      Thread.ofPlatform().daemon().name("confinement").start(SystemCalls::prepare);
    }
  }

  /** Does all of {@link #apply} but what restricts. */
  public static Confinement rehearse(Policy p) {
    return apply(p, true);
  }

  private static Confinement apply(Policy p, boolean rehearsed) {
    Architecture a = Architecture.here();
    if (a == null) {
      return none("not on this system");
    }
    if (!Confinement.class.getModule().isNativeAccessEnabled()) {
      return none("Java was started without --enable-native-access");
    }
    JavaRuntime.load();
    SystemCalls s = new SystemCalls(a, rehearsed);
    try {
      Refused.check("prctl", s.call(SystemCall.PRCTL, SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    } catch (Refused r) {
      return none(String.valueOf(r.getMessage()));
    }
    boolean whole = true;
    String files;
    try {
      Landlock l = new Landlock(s);
      Refused.check("landlock_create_ruleset", l.abi());
      l.restrict(p);
      files = "Landlock ABI " + l.abi();
    } catch (Refused r) {
      files = "no Landlock: " + r.getMessage();
      whole = false;
    }
    String calls;
    try {
      new Seccomp(s).restrict(p);
      calls = "seccomp, " + SeccompFilter.refusals(a, p) + " system calls refused";
    } catch (Refused r) {
      calls = "no seccomp: " + r.getMessage();
      whole = false;
    }
    return new Confinement(files, calls, whole);
  }
}
