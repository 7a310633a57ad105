package dev.vesper.cli.qemu;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Network adapters and what they are plugged into. */
final class Networks {
  /** What a network of its own has by itself, or lets nobody choose. */
  private static final List<String> FIXED =
      List.of(
          "hostname",
          "dns",
          "dnssearch",
          "domainname",
          "host",
          "dhcpstart",
          "ipv4",
          "ipv6",
          "ipv6-net",
          "ipv6-prefix",
          "ipv6-prefixlen",
          "ipv6-host",
          "ipv6-dns");

  private static final List<String> FILES =
      List.of("tftp", "bootfile", "tftp-server-name", "smb", "smbserver");
  private static final List<String> ADAPTER =
      List.of(
          "mac",
          "macaddr",
          "vectors",
          "mq",
          "rx_queue_size",
          "tx_queue_size",
          "host_mtu",
          "bootindex",
          "romfile",
          "packed",
          "csum",
          "gso",
          "mrg_rxbuf");
  private static final List<String> VIRTIO =
      List.of("", "virtio", "virtio-net", "virtio-net-pci", "virtio-net-pci-non-transitional");

  /** An adapter, and the network that it is plugged into. */
  private record Device(String model, String network) {}

  private final Line line;
  private final Map<String, String> waiting = new LinkedHashMap<>();
  private final List<String> plugged = new ArrayList<>();
  private final List<Device> devices = new ArrayList<>();
  private final List<String> hubUsers = new ArrayList<>();
  private final List<String> hubAdapters = new ArrayList<>();

  Networks(Line line) {
    this.line = line;
  }

  /** {@return Vesper's words for a network of kind user} */
  private String user(String option, KeyValues k) {
    StringBuilder words = new StringBuilder("user");
    for (String f : k.takeAll("hostfwd")) {
      if (f.startsWith("udp")) {
        line.refuse(option + " hostfwd=" + f + ": only TCP is forwarded; use hostfwd=tcp:...");
      }
      words.append(",hostfwd=").append(f.startsWith(":") ? "tcp" + f : f);
    }
    k.takeAll("guestfwd").forEach(f -> words.append(",guestfwd=").append(f));
    String net = k.take("net", "10.0.2.0/24");
    if (!net.startsWith("10.0.2.")) {
      line.refuse(option + " net=" + net + ": the network is 10.0.2.0/24; leave it out");
    }
    if (!k.take("restrict", "on").matches("on|yes|y|true")) {
      line.drop(option + " restrict=off", "nothing is behind the gateway but what is forwarded");
    }
    k.ignore(List.of("id", "name"));
    for (String f : k.takeAny(FILES)) {
      line.refuse(option + " " + f + ": the network serves no files; use --share path=DIR,tag=TAG");
    }
    line.drop(option, k.takeAny(FIXED), "the network has its own addresses and names");
    return words.toString();
  }

  private void noNetwork(String option, String kind) {
    line.refuse(
        "%s %s: the computer's networks are out of reach; use -nic user,hostfwd=tcp::PORT-:PORT"
            .formatted(option, kind));
  }

  private void adapter(String option, String model, KeyValues k) {
    if (!VIRTIO.contains(model)) {
      line.refuse(
          "%s %s: network adapters are virtio; use -nic user,model=virtio-net-pci"
              .formatted(option, model));
    }
    line.drop(option, k.takeAny(ADAPTER), "the adapter is as it is");
  }

  /** {@code -nic}. */
  void nic(String value) {
    KeyValues k = new KeyValues(value, "type");
    String kind = k.take("type", "");
    if (kind.equals("none") && k.rest().isEmpty()) {
      return;
    }
    if (!kind.equals("user")) {
      noNetwork("-nic", kind);
      return;
    }
    adapter("-nic", k.take("model", ""), k);
    plugged.add(user("-nic", k));
    line.refuseRest("-nic", k);
  }

  /** {@code -netdev}. */
  void netdev(String value) {
    KeyValues k = new KeyValues(value, "type");
    String kind = k.take("type", "");
    String id = k.take("id", "");
    if (!kind.equals("user")) {
      noNetwork("-netdev", kind);
      waiting.put(id, "");
      return;
    }
    waiting.put(id, user("-netdev", k));
    line.refuseRest("-netdev", k);
  }

  /** {@code -net} of old. */
  void net(String value) {
    KeyValues k = new KeyValues(value, "type");
    String kind = k.take("type", "");
    switch (kind) {
      case "none" -> {
        // As it is when nobody says anything.
      }
      case "nic" -> {
        String model = k.take("model", "");
        k.ignore(List.of("netdev", "id", "name", "vlan"));
        adapter("-net nic", model, k);
        if (model.isEmpty()) {
          line.drop("-net nic as e1000", "network adapters are virtio");
        }
        hubAdapters.add(value);
        line.refuseRest("-net nic", k);
      }
      case "user" -> {
        k.ignore(List.of("vlan"));
        hubUsers.add(user("-net user", k));
        line.refuseRest("-net user", k);
      }
      default -> noNetwork("-net", kind);
    }
  }

  /** An adapter as a device. */
  void device(String model, KeyValues k) {
    String id = k.take("netdev", "");
    adapter("-device", model, k);
    if (VIRTIO.contains(model)) {
      Devices.refuseRest(line, model, k);
    }
    devices.add(new Device(model, id));
  }

  /** Puts all together. */
  void finish() {
    for (Device d : devices) {
      String network = waiting.remove(d.network);
      if (network == null) {
        line.refuse(
            "-device %s: no -netdev is named '%s'; use -nic user".formatted(d.model, d.network));
      } else {
        plugged.add(network);
      }
    }
    if (hubAdapters.isEmpty() != hubUsers.isEmpty()) {
      line.drop(
          "-net " + (hubUsers.isEmpty() ? "nic" : "user"),
          "an adapter needs both, -net nic and -net user");
    } else {
      plugged.addAll(hubUsers);
    }
    plugged.forEach(n -> line.add("-nic", n));
    waiting.forEach(
        (id, n) -> line.drop("-netdev user,id=" + id, "no -device takes it, so no guest sees it"));
  }
}
