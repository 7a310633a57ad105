package dev.vesper.machine.device;

import dev.vesper.machine.device.share.FuseServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;

/** A program for a locale of its own: makes and finds names in a folder that are only bytes. */
final class FuseNames {
  /** An ä, and two bytes that are no letter anywhere. */
  static final List<String> NAMES = List.of("\u00c3\u00a4", "\u00ff\u00fe", "\u00e2\u0082");

  private FuseNames() {}

  /**
   * Says the errors of what it tries, and whether the names come back.
   *
   * @param args the folder
   */
  public static void main(String[] args) throws IOException {
    try (FuseServer s = new FuseServer(Path.of(args[0]), false)) {
      FuseClient c = new FuseClient(s);
      for (String n : NAMES) {
        System.out.print(c.makeFolder(1, n));
        System.out.print(" " + c.link(c.lookUp(1, n), n, n));
        System.out.print(" " + c.ask(5, c.lookUp(c.lookUp(1, n), n), new byte[0]));
        System.out.print(" " + c.rename(c.lookUp(1, n), n, 1, n + n) + " ");
      }
      List<String> all = c.list(c.openFolder(1), 4096);
      System.out.print(NAMES.stream().allMatch(n -> Collections.frequency(all, n) == 1));
    }
  }
}
