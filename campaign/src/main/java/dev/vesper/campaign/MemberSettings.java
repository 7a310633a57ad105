package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStoreProvider.JoinOptions;
import dev.vesper.fuzz.store.Progress;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where a member listens and whom it asks to be let in.
 *
 * @param campaign see {@link JoinOptions}
 * @param member see {@link JoinOptions}
 * @param directory see {@link JoinOptions}
 * @param listen the one address that it listens at
 * @param join members to ask; empty for who begins a campaign
 * @param dns a name in DNS that has the addresses of all members, as a headless service of
 *     Kubernetes has; null for none
 * @param keys null for a member on loopback that trusts whoever is on the computer
 */
record MemberSettings(
    String campaign,
    String member,
    Path directory,
    InetSocketAddress listen,
    List<InetSocketAddress> join,
    @Nullable String dns,
    @Nullable MemberKeys keys) {
  /** Where a member listens that has not been told. */
  static final String DEFAULT = "127.0.0.1:7799";

  private static final Set<String> NAMES = Set.of("listen", "join", "tls");
  private static final String DNS = "dns:";
  private static final Pattern DNS_NAME = Pattern.compile("[A-Za-z0-9]([A-Za-z0-9._-]{0,252})");

  /** HOST:PORT, or [ADDRESS]:PORT for one with colons. */
  private static final Pattern PLACE =
      Pattern.compile("(?:\\[([0-9A-Fa-f:.%]+)]|([^:\\[\\]\\s]+)):(\\d{1,5})");

  private static final int LAST_PORT = 65535;

  /** Makes settings. */
  MemberSettings {
    join = List.copyOf(join);
  }

  /**
   * {@return what a user has said}
   *
   * @throws CampaignException in a line, for a setting that is none, or a member off loopback
   *     without certificates
   */
  static MemberSettings of(JoinOptions o) throws CampaignException {
    Map<String, String> s = o.settings();
    TreeSet<String> unknown = new TreeSet<>(s.keySet());
    unknown.removeAll(NAMES);
    if (!unknown.isEmpty()) {
      throw new CampaignException(
          "a member takes listen, join and tls, not '" + unknown.first() + "'");
    }
    if (!Progress.isName(o.member()) || !Progress.isName(o.campaign())) {
      throw new CampaignException(
          "members and campaigns have names of 1 to 64 characters of A-Z a-z 0-9 . _ -");
    }
    @Nullable MemberKeys keys =
        s.containsKey("tls") ? MemberKeys.of(folder(s.get("tls")), o.member()) : null;
    InetSocketAddress listen = place("listen", s.getOrDefault("listen", DEFAULT));
    if (listen.getAddress().isAnyLocalAddress()) {
      throw new CampaignException(
          "listen takes one address of this computer, not all of them: " + s.get("listen"));
    }
    List<InetSocketAddress> join = new ArrayList<>();
    @Nullable String dns = null;
    for (String j : s.getOrDefault("join", "").split(",", -1)) {
      if (j.startsWith(DNS)) {
        dns = j.substring(DNS.length());
      } else if (!j.isEmpty()) {
        join.add(place("join", j));
      }
    }
    if (dns != null && !DNS_NAME.matcher(dns).matches()) {
      throw new CampaignException("join takes dns:NAME with a name of DNS, not 'dns:" + dns + "'");
    }
    boolean far = !listen.getAddress().isLoopbackAddress() || dns != null;
    for (InetSocketAddress a : join) {
      far |= !a.getAddress().isLoopbackAddress();
    }
    if (far && keys == null) {
      throw new CampaignException(
          "off loopback members need certificates: vesper fuzz certs DIR --member "
              + o.member()
              + " makes them, tls=DIR names them");
    }
    return new MemberSettings(o.campaign(), o.member(), o.directory(), listen, join, dns, keys);
  }

  private static Path folder(String s) throws CampaignException {
    try {
      return Path.of(s);
    } catch (InvalidPathException e) {
      throw new CampaignException("tls takes a folder, not '" + s + "'");
    }
  }

  /** {@return an address, looked up} */
  static InetSocketAddress place(String setting, String s) throws CampaignException {
    Matcher m = PLACE.matcher(s);
    int port = m.matches() ? Integer.parseInt(m.group(3)) : 0;
    if (port < 1 || port > LAST_PORT) {
      throw new CampaignException(
          setting + " takes HOST:PORT, as in " + DEFAULT + ", not '" + s + "'");
    }
    String host = m.group(1) == null ? m.group(2) : m.group(1);
    try {
      return new InetSocketAddress(InetAddress.getByName(host), port);
    } catch (UnknownHostException e) {
      throw new CampaignException(setting + ": no address is known of '" + host + "'");
    }
  }

  /** {@return an address as {@link #place} takes it} */
  static String show(InetSocketAddress a) {
    String host = a.getAddress().getHostAddress();
    return (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + a.getPort();
  }
}
