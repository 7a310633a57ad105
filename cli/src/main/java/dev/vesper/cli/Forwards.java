package dev.vesper.cli;

import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.device.net.Network;
import java.io.Closeable;
import java.util.ArrayList;
import java.util.List;

/**
 * The networks of {@code -nic} options, and the computer's loopback sockets that they forward: open
 * until this is closed.
 */
final class Forwards implements Closeable {
  private final List<Network> networks = new ArrayList<>();

  /**
   * Opens what options name.
   *
   * @param recorded what is said there is known already, so that no socket is opened
   * @throws UserError if one is wrong, or a port is taken
   */
  Forwards(List<String> options, boolean recorded) {
    try {
      for (String o : options) {
        Network n = UserError.of(() -> HardwareOptions.nic("-nic", o, !recorded));
        if (n != null) {
          networks.add(n);
        }
      }
    } catch (UserError e) {
      close();
      throw e;
    }
  }

  List<Network> list() {
    return List.copyOf(networks);
  }

  @Override
  public void close() {
    networks.forEach(Network::close);
  }
}
