package dev.vesper.machine.trace;

import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.RmpCause;
import org.jspecify.annotations.Nullable;

/** Two observers of a host, the first of which is told first. */
public record BothHostObservers(HostObserver first, HostObserver second) implements HostObserver {
  @Override
  public void running(int vcpu) {
    first.running(vcpu);
    second.running(vcpu);
  }

  @Override
  public void exit(int code, long info1, long info2) {
    first.exit(code, info1, info2);
    second.exit(code, info1, info2);
  }

  @Override
  public void vmgexit(long msr) {
    first.vmgexit(msr);
    second.vmgexit(msr);
  }

  @Override
  public void serves(long gpa) {
    first.serves(gpa);
    second.serves(gpa);
  }

  @Override
  public void answered(long msr, @Nullable String ended) {
    first.answered(msr, ended);
    second.answered(msr, ended);
  }

  @Override
  public void inject(long event) {
    first.inject(event);
    second.inject(event);
  }

  @Override
  public void started(int vcpu, String how) {
    first.started(vcpu, how);
    second.started(vcpu, how);
  }

  @Override
  public void resets(int vcpu) {
    first.resets(vcpu);
    second.resets(vcpu);
  }

  @Override
  public void invalid(Space space, long address, int bytes, boolean write) {
    first.invalid(space, address, bytes, write);
    second.invalid(space, address, bytes, write);
  }

  @Override
  public void changesPage(RmpCause cause, int entry, int operation, long gpa) {
    first.changesPage(cause, entry, operation, gpa);
    second.changesPage(cause, entry, operation, gpa);
  }

  @Override
  public void changedPage(String why) {
    first.changedPage(why);
    second.changedPage(why);
  }

  @Override
  public void registered(long gpa) {
    first.registered(gpa);
    second.registered(gpa);
  }

  @Override
  public void createdProcessor(long info1, long area, long features, String why) {
    first.createdProcessor(info1, area, features, why);
    second.createdProcessor(info1, area, features, why);
  }

  @Override
  public void answeredRequest(
      boolean extended, long request, long response, long info1, long info2, String why) {
    first.answeredRequest(extended, request, response, info1, info2, why);
    second.answeredRequest(extended, request, response, info1, info2, why);
  }
}
