package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.CampaignStoreProvider.JoinOptions;
import dev.vesper.fuzz.store.Entries;
import dev.vesper.fuzz.store.Progress;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.Map;
import java.util.Random;

/**
 * A member that finds something all the time, until it is killed, and writes into a ledger what the
 * store has told it is kept: {@code LedgerMember NAME FOLDER LISTEN JOIN TLS}.
 */
final class LedgerMember {
  private static final long BETWEEN_MILLIS = 25;

  private LedgerMember() {}

  /** Joins and goes on for ever. */
  public static void main(String[] args) throws IOException, InterruptedException {
    Path folder = Path.of(args[1]);
    Map<String, String> settings = Map.of("listen", args[2], "join", args[3], "tls", args[4]);
    try (CampaignStore store =
            new ClusterStoreProvider().join(new JoinOptions("test", args[0], folder, settings));
        Writer ledger =
            Files.newBufferedWriter(
                ledger(folder),
                StandardCharsets.US_ASCII,
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND)) {
      System.out.println("joined");
      Random r = new Random();
      for (long i = 1; ; i++) {
        find(store, ledger, r);
        if (i % 20 == 0) {
          long now = Instant.now().getEpochSecond();
          store.report(new Progress(args[0], now, now, i, 1, 0, 0, 0, 0, 0, 0));
          store.claim(args[0]);
        }
        Thread.sleep(BETWEEN_MILLIS);
      }
    } catch (CampaignException e) {
      System.out.println("vesper: " + e.getMessage());
      System.exit(2);
    }
  }

  static Path ledger(Path folder) {
    return folder.resolve("ledger");
  }

  /** {@return an entry that anybody can make again from its number} */
  static byte[] entry(long number) {
    byte[] b = new byte[(int) (number & 0xFFF)];
    new Random(number).nextBytes(b);
    return b;
  }

  private static void find(CampaignStore store, Writer ledger, Random r) throws IOException {
    long number = r.nextLong();
    byte[] entry = entry(number);
    Kind k = Kind.values()[r.nextInt(3)];
    if (store.add(k, Entries.name(entry), entry)) {
      ledger.write("entry " + k + " " + number + "\n");
      ledger.flush();
    }
    int place = r.nextInt(CampaignStore.MAP);
    int bit = r.nextInt(8);
    byte[] seen = new byte[CampaignStore.MAP];
    seen[place] = (byte) (1 << bit);
    store.merge(seen);
    ledger.write("bit " + place + " " + bit + "\n");
    ledger.flush();
  }
}
