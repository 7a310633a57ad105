package dev.vesper.machine.device.display;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A picture.
 *
 * @param pixels by lines from the top, red in bits 23:16, green in 15:8, blue in 7:0
 */
record Picture(int width, int height, int[] pixels) {
  /** {@return the picture as a binary PPM file of 8 bits a color (netpbm, ppm(5))} */
  byte[] ppm() {
    byte[] head = ("P6\n" + width + " " + height + "\n255\n").getBytes(StandardCharsets.US_ASCII);
    byte[] out = Arrays.copyOf(head, head.length + 3 * pixels.length);
    int at = head.length;
    for (int p : pixels) {
      out[at++] = (byte) (p >> 16);
      out[at++] = (byte) (p >> 8);
      out[at++] = (byte) p;
    }
    return out;
  }
}
