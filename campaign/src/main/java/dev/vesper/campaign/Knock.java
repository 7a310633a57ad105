package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.List;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * Tries addresses before the library does, which would try them for ever and tell nobody why they
 * do not work.
 */
final class Knock {
  private static final int CONNECT_MILLIS = 3000;
  private static final int HANDSHAKE_MILLIS = 10_000;

  /** A member that does not take a certificate says so behind the handshake. */
  private static final int SILENCE_MILLIS = 500;

  private Knock() {}

  /**
   * Asks each member whether it is there and takes this one's certificate.
   *
   * @return whether one of them does
   * @throws CampaignException if one that is there is of another authority
   */
  static boolean at(List<InetSocketAddress> members, @Nullable MemberKeys keys)
      throws CampaignException {
    boolean any = false;
    for (InetSocketAddress m : members) {
      any |= at(m, keys);
    }
    return any;
  }

  private static boolean at(InetSocketAddress m, @Nullable MemberKeys keys)
      throws CampaignException {
    try (Socket s = keys == null ? new Socket() : keys.socket()) {
      s.connect(m, CONNECT_MILLIS);
      if (s instanceof SSLSocket t) {
        t.setSoTimeout(HANDSHAKE_MILLIS);
        t.startHandshake();
        t.setSoTimeout(SILENCE_MILLIS);
        return t.getInputStream().read() >= 0;
      }
      return true;
    } catch (SocketTimeoutException e) {
      // Nobody who is connected and says nothing is a member with something against us.
      return !e.getMessage().startsWith("Connect");
    } catch (SSLException e) {
      throw new CampaignException(
          MemberSettings.show(m)
              + ": no member of this cluster's authority; each needs a certificate that vesper fuzz"
              + " certs has made in the same folder");
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * Sees whether an address can be listened at.
   *
   * @throws CampaignException if not
   */
  static void free(InetSocketAddress at) throws CampaignException {
    try (ServerSocket s = new ServerSocket()) {
      s.setReuseAddress(true);
      s.bind(at);
    } catch (IOException e) {
      throw new CampaignException(
          "cannot listen at "
              + MemberSettings.show(at)
              + " ("
              + e.getMessage()
              + "); another member may be there: listen=HOST:PORT names another place");
    }
  }
}
