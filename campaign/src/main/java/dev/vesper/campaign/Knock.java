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
  private static final int CONNECT_MILLIS = 5000;
  private static final int TRIES = 3;
  private static final int HANDSHAKE_MILLIS = 20_000;

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
    for (int i = 0; i < TRIES; i++) {
      Answer a = once(m, keys);
      if (a != Answer.CUT_OFF) {
        return a == Answer.YES;
      }
    }
    return false;
  }

  private enum Answer {
    YES,
    NOBODY,
    /** Somebody is there who did not come to an end; he may be very busy. */
    CUT_OFF
  }

  private static Answer once(InetSocketAddress m, @Nullable MemberKeys keys)
      throws CampaignException {
    boolean connected = false;
    boolean handshaken = false;
    try (Socket s = keys == null ? new Socket() : keys.socket()) {
      s.connect(m, CONNECT_MILLIS);
      connected = true;
      if (s instanceof SSLSocket t) {
        t.setSoTimeout(HANDSHAKE_MILLIS);
        t.startHandshake();
        t.setSoTimeout(SILENCE_MILLIS);
        handshaken = true;
        return t.getInputStream().read() >= 0 ? Answer.YES : Answer.CUT_OFF;
      }
      return Answer.YES;
    } catch (SocketTimeoutException e) {
      // Who has shaken hands and says nothing has nothing against us.
      return handshaken ? Answer.YES : connected ? Answer.CUT_OFF : Answer.NOBODY;
    } catch (SSLException e) {
      if (wasCutOff(e)) {
        return Answer.CUT_OFF;
      }
      throw new CampaignException(
          MemberSettings.show(m)
              + ": no member of this cluster's authority; each needs a certificate that vesper fuzz"
              + " certs has made in the same folder");
    } catch (IOException e) {
      return connected ? Answer.CUT_OFF : Answer.NOBODY;
    }
  }

  /** {@return whether a handshake ended because the connection did, not for what was in it} */
  static boolean wasCutOff(IOException e) {
    return !(e instanceof SSLException) || e.getCause() instanceof IOException;
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
