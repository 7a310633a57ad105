package dev.vesper.campaign;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.infinispan.remoting.transport.jgroups.JGroupsChannelConfigurator;
import org.jgroups.Address;
import org.jgroups.Event;
import org.jgroups.JChannel;
import org.jgroups.View;
import org.jgroups.conf.ProtocolConfiguration;
import org.jgroups.protocols.Discovery;
import org.jgroups.protocols.FD_ALL3;
import org.jgroups.protocols.FRAG4;
import org.jgroups.protocols.MERGE3;
import org.jgroups.protocols.MFC;
import org.jgroups.protocols.TCP;
import org.jgroups.protocols.TCPPING;
import org.jgroups.protocols.UFC;
import org.jgroups.protocols.UNICAST3;
import org.jgroups.protocols.VERIFY_SUSPECT2;
import org.jgroups.protocols.dns.DNS_PING;
import org.jgroups.protocols.pbcast.GMS;
import org.jgroups.protocols.pbcast.NAKACK2;
import org.jgroups.protocols.pbcast.STABLE;
import org.jgroups.stack.IpAddress;
import org.jgroups.stack.Protocol;
import org.jgroups.util.NameCache;
import org.jgroups.util.SocketFactory;
import org.jspecify.annotations.Nullable;

/**
 * How members reach each other: connections of TCP from one address and port a member, no
 * datagrams, no other port. The stack is made here and not read from a file, so that no file
 * decides what listens. A member that dies is noticed when its connections break, one that hangs or
 * whose network is cut when it has said nothing for a while.
 */
final class Network implements JGroupsChannelConfigurator {
  private static final int SILENCE_MILLIS = 20_000;
  private static final int HEARTBEAT_MILLIS = 3000;
  private static final int VERIFY_MILLIS = 3000;
  private static final int MERGE_MIN_MILLIS = 2000;
  private static final int MERGE_MAX_MILLIS = 6000;
  private static final int JOIN_MILLIS = 5000;

  /** Who has nobody to ask waits for no answer. */
  private static final int ALONE_MILLIS = 100;

  private static final int CONNECT_MILLIS = 5000;

  /** A member's address comes at once behind the handshake. */
  private static final int ADDRESS_MILLIS = 10_000;

  /** More than an entry and what is around it; longer messages are refused, not read. */
  private static final int LONGEST_MESSAGE = 16 << 20;

  private final MemberSettings settings;
  private final Collection<InetSocketAddress> neighbours;
  private final Sockets sockets;
  private @Nullable JChannel channel;

  /**
   * A member's network.
   *
   * @param neighbours whom to look for beside those that the settings name
   * @param said takes a line for each stranger who was turned away
   */
  Network(
      MemberSettings settings, Collection<InetSocketAddress> neighbours, Consumer<String> said) {
    this.settings = settings;
    this.neighbours = List.copyOf(neighbours);
    this.sockets = new Sockets(settings.keys(), said);
  }

  @Override
  public JChannel createChannel(@Nullable String name) throws Exception {
    InetAddress at = settings.listen().getAddress();
    TCP tcp = new TCP();
    tcp.setBindAddress(at).setBindPort(settings.listen().getPort()).setPortRange(0);
    tcp.setSocketFactory(sockets);
    tcp.setClientBindAddr(at)
        .setSockConnTimeout(CONNECT_MILLIS)
        .setPeerAddrReadTimeout(ADDRESS_MILLIS)
        .setMaxLength(LONGEST_MESSAGE)
        .enableSuspectEvents(true);
    FD_ALL3 silence = new FD_ALL3().setTimeout(SILENCE_MILLIS).setInterval(HEARTBEAT_MILLIS);
    GMS views = new GMS();
    views.setJoinTimeout(nobodyIsKnown() ? ALONE_MILLIS : JOIN_MILLIS).printLocalAddress(false);
    List<Protocol> stack =
        List.of(
            tcp,
            discovery(),
            new MERGE3().setMinInterval(MERGE_MIN_MILLIS).setMaxInterval(MERGE_MAX_MILLIS),
            silence,
            new VERIFY_SUSPECT2().setTimeout(VERIFY_MILLIS),
            new NAKACK2().useMcastXmit(false),
            new UNICAST3(),
            new STABLE(),
            views,
            new UFC(),
            new MFC(),
            new FRAG4());
    JChannel c = new JChannel(new ArrayList<>(stack));
    c.setName(settings.member());
    channel = c;
    return c;
  }

  private boolean nobodyIsKnown() {
    return settings.dns() == null && settings.join().isEmpty() && neighbours.isEmpty();
  }

  private Discovery discovery() {
    if (settings.dns() != null) {
      return new DNS_PING().setDNSQuery(settings.dns());
    }
    LinkedHashSet<InetSocketAddress> all = new LinkedHashSet<>(settings.join());
    all.addAll(neighbours);
    all.add(settings.listen());
    TCPPING ping = new TCPPING();
    ping.setInitialHosts(all).setPortRange(0);
    return ping;
  }

  /** {@return the names of all members that are there now, this one's too} */
  List<String> members() {
    JChannel c = channel;
    View v = c == null ? null : c.getView();
    if (c == null || v == null) {
      return List.of();
    }
    return v.getMembers().stream().map(NameCache::get).map(String::valueOf).toList();
  }

  /** {@return where the others are} */
  List<InetSocketAddress> places() {
    List<InetSocketAddress> all = new ArrayList<>();
    JChannel c = channel;
    View v = c == null ? null : c.getView();
    if (c == null || v == null) {
      return all;
    }
    for (Address a : v.getMembers()) {
      if (!a.equals(c.getAddress())
          && c.down(new Event(Event.GET_PHYSICAL_ADDRESS, a)) instanceof IpAddress p) {
        all.add(new InetSocketAddress(p.getIpAddress(), p.getPort()));
      }
    }
    return all;
  }

  /** {@return names that more than one member has} */
  TreeSet<String> doubled() {
    TreeSet<String> once = new TreeSet<>();
    TreeSet<String> twice = new TreeSet<>();
    for (String m : members()) {
      if (!once.add(m)) {
        twice.add(m);
      }
    }
    return twice;
  }

  @Override
  public String getName() {
    return "vesper";
  }

  @Override
  public String getProtocolStackString() {
    return "TCP";
  }

  @Override
  public List<ProtocolConfiguration> getProtocolStack() {
    return List.of();
  }

  @Override
  public void afterCreation(Protocol p) {
    // Each has been set when it was made.
  }

  @Override
  public void setSocketFactory(SocketFactory factory) {
    // Sockets are this member's own.
  }

  @Override
  public void setDataSource(DataSource source) {
    // There is no database.
  }
}
