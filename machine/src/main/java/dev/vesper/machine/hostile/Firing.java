package dev.vesper.machine.hostile;

/**
 * A rule has fired.
 *
 * @param rule its number
 * @param line of the script's text, 0 for none
 * @param silicon the rule may break the machine's own rules
 * @param aided its trigger takes somebody who sees more than a host
 * @param vcpu about which it was
 * @param instructions that all vCPUs have executed
 * @param time virtual time of the vCPU in nanoseconds
 * @param trigger in words
 * @param what was done, in words
 */
public record Firing(
    int rule,
    int line,
    boolean silicon,
    boolean aided,
    int vcpu,
    long instructions,
    long time,
    String trigger,
    String what) {}
