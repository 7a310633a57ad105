package dev.vesper.machine.device;

import dev.vesper.machine.device.share.FuseServer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Asks a server as a kernel does. Answers are an error, which is negative, or what the answer says;
 * names are bytes, one in each character.
 */
final class FuseClient {
  static final int O_WRONLY = 1;
  static final int O_RDWR = 2;
  static final int O_CREAT = 0x40;
  static final int O_EXCL = 0x80;
  static final int O_TRUNC = 0x200;

  private final FuseServer server;

  /** What the last answer said besides its error. */
  private byte[] body = {};

  FuseClient(FuseServer server) {
    this.server = server;
  }

  static ByteBuffer room(int n) {
    return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** {@return a head of numbers with names behind it, each with its zero} */
  static byte[] with(ByteBuffer head, String... names) {
    byte[] n = (String.join("\0", names) + "\0").getBytes(StandardCharsets.ISO_8859_1);
    return room(head.capacity() + n.length).put(head.array()).put(n).array();
  }

  /** {@return the error of an answer, 0 or negative} */
  int ask(int code, long node, byte[] arguments) {
    ByteBuffer r = room(40 + arguments.length);
    r.putInt(r.capacity()).putInt(code).putLong(7).putLong(node).position(40);
    byte[] a = server.answer(r.put(arguments).array());
    ByteBuffer o = ByteBuffer.wrap(a).order(ByteOrder.LITTLE_ENDIAN);
    body = java.util.Arrays.copyOfRange(a, Math.min(16, a.length), a.length);
    return a.length == 0 ? 0 : o.getInt(4);
  }

  ByteBuffer body() {
    return ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN);
  }

  private long number(int error, int at) {
    return error < 0 ? error : body().getLong(at);
  }

  long lookUp(long folder, String name) {
    return number(ask(1, folder, with(room(0), name)), 0);
  }

  long open(long node, int flags) {
    return number(ask(14, node, room(8).putInt(flags).array()), 0);
  }

  long create(long folder, String name, int flags) {
    byte[] a = with(room(16).putInt(flags | O_CREAT).putInt(0644), name);
    return number(ask(35, folder, a), 128);
  }

  int read(long handle, long at, int size) {
    return ask(15, 0, room(40).putLong(handle).putLong(at).putInt(size).array());
  }

  int write(long handle, long at, byte[] bytes) {
    ByteBuffer a = room(40 + bytes.length).putLong(handle).putLong(at).putInt(bytes.length);
    return ask(16, 0, a.position(40).put(bytes).array());
  }

  int release(long handle) {
    return ask(18, 0, room(24).putLong(handle).array());
  }

  int makeFolder(long folder, String name) {
    return ask(9, folder, with(room(8).putInt(0755), name));
  }

  int link(long folder, String name, String target) {
    return ask(6, folder, with(room(0), name, target));
  }

  int rename(long folder, String name, long to, String newName) {
    return ask(12, folder, with(room(8).putLong(to), name, newName));
  }

  int remove(long folder, String name) {
    return ask(10, folder, with(room(0), name));
  }

  /** Sets a size by the node, or by a handle if that is not 0. */
  int resize(long node, long handle, long size) {
    int what = handle == 0 ? 8 : 8 | 64;
    return ask(4, node, room(88).putInt(what).putInt(0).putLong(handle).putLong(size).array());
  }

  long openFolder(long node) {
    return number(ask(27, node, new byte[8]), 0);
  }

  /** {@return the names of a folder, as they come} */
  List<String> list(long handle, int size) {
    List<String> all = new ArrayList<>();
    long offset = 0;
    while (true) {
      int e = ask(28, 0, room(40).putLong(handle).putLong(offset).putInt(size).array());
      ByteBuffer b = body();
      if (e != 0 || !b.hasRemaining()) {
        return all;
      }
      while (b.remaining() >= 24) {
        int at = b.position();
        offset = b.getLong(at + 8);
        int n = b.getInt(at + 16);
        all.add(new String(body, at + 24, n, StandardCharsets.ISO_8859_1));
        b.position(at + (24 + n + 7 & ~7));
      }
    }
  }
}
