package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fuzz.store.CampaignException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class JournalTest {
  private static final int RECORDS = 5;
  private static final int FRAME = 9;

  @TempDir private Path folder;
  private Path file;

  @BeforeEach
  void write() throws IOException, CampaignException {
    file = folder.resolve("journal");
    try (Journal j = Journal.open(file)) {
      for (int i = 0; i < RECORDS; i++) {
        j.append(i, payload(i));
      }
    }
  }

  private static byte[] payload(int i) {
    byte[] b = new byte[10 * i];
    Arrays.fill(b, (byte) i);
    return b;
  }

  private static int size(int records) {
    int n = Journal.HEAD.length();
    for (int i = 0; i < records; i++) {
      n += FRAME + 10 * i;
    }
    return n;
  }

  /** {@return the types of the good records, whose payloads are checked} */
  private List<Integer> types(List<String> said) throws IOException, CampaignException {
    List<Integer> types = new ArrayList<>();
    try (Journal j = Journal.open(file)) {
      String line =
          j.replay(
              (at, type, payload) -> {
                assertThat(payload).isEqualTo(payload(type));
                types.add(type);
              });
      if (line != null) {
        said.add(line);
      }
      // It goes on behind the last good one.
      j.append(RECORDS - 1, payload(RECORDS - 1));
    }
    return types;
  }

  @Test
  void whatWasWrittenIsRead() throws IOException, CampaignException {
    List<String> said = new ArrayList<>();
    assertThat(types(said)).containsExactly(0, 1, 2, 3, 4);
    assertThat(said).isEmpty();
  }

  @Test
  void aRecordIsReadWhereItIs() throws IOException, CampaignException {
    try (Journal j = Journal.open(file)) {
      List<Long> places = new ArrayList<>();
      assertThat(j.replay((at, type, payload) -> places.add(at))).isNull();
      assertThat(j.read(places.get(3))).isEqualTo(payload(3));
      long at = j.append(1, payload(2));
      assertThat(j.read(at)).isEqualTo(payload(2));
    }
  }

  @Test
  void aJournalThatWasCutAnywhereHasTheRecordsBeforeTheCutAndGoesOn()
      throws IOException, CampaignException {
    byte[] all = Files.readAllBytes(file);
    for (int length = all.length; length >= 0; length--) {
      Files.write(file, Arrays.copyOf(all, length));
      List<String> said = new ArrayList<>();
      int whole = 0;
      while (whole < RECORDS && size(whole + 1) <= length) {
        whole++;
      }
      List<Integer> expected = new ArrayList<>(List.of(0, 1, 2, 3, 4).subList(0, whole));
      assertThat(types(said)).as("of %d bytes", length).isEqualTo(expected);
      boolean between = length <= Journal.HEAD.length() || length == size(whole);
      assertThat(said).as("of %d bytes", length).hasSize(between ? 0 : 1);
      expected.add(RECORDS - 1);
      assertThat(types(new ArrayList<>())).as("of %d bytes, later", length).isEqualTo(expected);
    }
  }

  @Test
  void aDamagedRecordIsLeftOutAndThoseBehindItAreRead() throws IOException, CampaignException {
    byte[] all = Files.readAllBytes(file);
    all[size(2) + FRAME]++;
    Files.write(file, all);
    List<String> said = new ArrayList<>();
    assertThat(types(said)).containsExactly(0, 1, 3, 4);
    assertThat(said)
        .singleElement()
        .asString()
        .contains("left out 1 damaged record")
        .doesNotContain("\n");
  }

  @Test
  void whatIsBehindTheLastGoodRecordIsSetAside() throws IOException, CampaignException {
    byte[] all = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(all, all.length - 1));
    List<String> said = new ArrayList<>();
    types(said);
    assertThat(Files.readAllBytes(folder.resolve("journal.cut")))
        .isEqualTo(Arrays.copyOfRange(all, size(4), all.length - 1));
    assertThat(said).singleElement().asString().contains("journal.cut");
  }

  @Test
  void bytesOfSomebodyElseAreLeftOutOrRefused() throws IOException {
    byte[] all = Files.readAllBytes(file);
    Random r = new Random(7);
    for (int i = 0; i < 200; i++) {
      byte[] b = all.clone();
      for (int n = r.nextInt(1, 8); n > 0; n--) {
        b[r.nextInt(b.length)] = (byte) r.nextInt();
      }
      Files.write(file, b);
      Files.deleteIfExists(folder.resolve("journal.cut"));
      try (Journal j = Journal.open(file)) {
        j.replay((at, type, payload) -> assertThat(payload).isEqualTo(payload(type)));
      } catch (CampaignException e) {
        assertThat(e).hasMessageContaining("not a journal of this version");
      }
    }
  }

  @Test
  void aJournalOfAnotherVersionIsRefused() throws IOException {
    byte[] all = Files.readAllBytes(file);
    all[Journal.HEAD.length() - 1]++;
    Files.write(file, all);
    assertThatThrownBy(() -> Journal.open(file))
        .isInstanceOf(CampaignException.class)
        .hasMessageContaining("use the version of vesper that wrote it");
    assertThat(file).hasBinaryContent(all);
  }

  @Test
  void aFolderIsOfOneMemberAtATime() throws IOException, CampaignException {
    try (Journal j = Journal.open(file)) {
      assertThat(j).isNotNull();
      assertThatThrownBy(() -> Journal.open(file))
          .isInstanceOf(CampaignException.class)
          .hasMessageContaining("another member is at work in this folder");
    }
  }
}
