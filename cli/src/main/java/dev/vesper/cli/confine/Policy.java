package dev.vesper.cli.confine;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a process may still open after it has been confined. What it has open already is not asked
 * about.
 *
 * @param grants files and folders; whatever no grant covers cannot be opened
 * @param accepts whether somebody may come in by sockets that listen already
 * @param connects TCP ports that may be connected to; if there are none, no socket can be made
 */
public record Policy(List<Grant> grants, boolean accepts, Set<Integer> connects) {
  /** What may be done. */
  public enum Use {
    /** Files are read, folders are listed. */
    READ,
    /** Files and folders are also written, made, removed and moved about within. */
    CHANGE,
    /** A file that is there is written. */
    WRITE
  }

  /**
   * One place and everything below it.
   *
   * @param needed whether confinement fails if it is not there
   */
  public record Grant(Path path, Use use, boolean needed) {}

  /** Makes a policy. */
  public static final class Builder {
    private final List<Grant> grants = new ArrayList<>();
    private final Set<Integer> connects = new TreeSet<>();
    private boolean accepts;

    /** Lets a folder be used that a guest is given. */
    public Builder folder(Path p, boolean readOnly) {
      grants.add(new Grant(p, readOnly ? Use.READ : Use.CHANGE, true));
      return this;
    }

    /** Lets somebody come in by sockets that listen already. */
    public Builder visitors() {
      accepts = true;
      return this;
    }

    /** Lets a TCP port be connected to. */
    public Builder connection(int port) {
      connects.add(port);
      return this;
    }

    /** {@return the policy, with what the JVM itself needs} */
    public Policy build() {
      List<Grant> all = new ArrayList<>(grants);
      all.addAll(JavaRuntime.grants());
      return new Policy(List.copyOf(all), accepts, Set.copyOf(connects));
    }
  }

  /** {@return whether any folder of a guest can be changed} */
  boolean changesFolders() {
    return grants.stream().anyMatch(g -> g.use == Use.CHANGE);
  }
}
