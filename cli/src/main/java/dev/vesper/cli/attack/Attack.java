package dev.vesper.cli.attack;

/**
 * A published attack.
 *
 * @param name by which the command knows it: lower case, with hyphens
 * @param title what the host does, in a few words
 * @param source paper, CVE or the guest's own change that tells of it
 * @param needs what the host must be able to do
 * @param precondition what of guest and configuration it takes
 * @param oracle what proves that it has worked
 * @param method carries it out
 */
public record Attack(
    String name,
    String title,
    String source,
    Power needs,
    String precondition,
    String oracle,
    Method method) {
  /** Carries an attack out. */
  @FunctionalInterface
  public interface Method {
    /** {@return what it has come to} */
    Verdict carryOut(AttackRun run);
  }

  /** Makes one. */
  public Attack {
    assert name.matches("[a-z0-9]+(-[a-z0-9]+)*") : name;
  }

  /** {@return an attack of a lawful host} */
  static Attack lawful(
      String name, String title, String source, String precondition, String oracle, Method m) {
    return new Attack(name, title, source, Power.LAWFUL_HOST, precondition, oracle, m);
  }

  /**
   * {@return an attack that is in the catalogue and cannot be carried out by this machine}
   *
   * @param why what the machine does not have
   */
  static Attack beyond(String name, String title, String source, Power needs, String why) {
    return new Attack(name, title, source, needs, "-", "-", run -> Verdict.notApplicable(why));
  }
}
