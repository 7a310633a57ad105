package dev.vesper.fuzz;

import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Translator;
import org.jspecify.annotations.Nullable;

/**
 * What is run in each execution, and from where to where.
 *
 * @param specs makes the machines: a description each, whose disks are its own
 * @param from where executions begin; null for right before the first answer that may be changed
 * @param until where they end at the latest, or null
 * @param limit instructions of one execution, at least 1
 * @param sites which answers may be changed
 * @param translator by what guest code is executed, or null for what is fastest
 * @param oracles what is looked for besides guests that fail
 */
public record Harness(
    Specs specs,
    @Nullable Until from,
    @Nullable Until until,
    long limit,
    SiteFilter sites,
    @Nullable Translator translator,
    Oracles oracles) {
  /** Makes one that looks for guests that fail. */
  public Harness(
      Specs specs,
      @Nullable Until from,
      @Nullable Until until,
      long limit,
      SiteFilter sites,
      @Nullable Translator translator) {
    this(specs, from, until, limit, sites, translator, Oracles.NONE);
  }

  /** {@return the same that looks for something else} */
  public Harness with(Oracles other) {
    return new Harness(specs, from, until, limit, sites, translator, other);
  }

  /** Makes descriptions of machines. */
  @FunctionalInterface
  public interface Specs {
    /** {@return one that shares nothing that changes with those before} */
    MachineSpec get();
  }
}
