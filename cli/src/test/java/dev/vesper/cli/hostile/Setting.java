package dev.vesper.cli.hostile;

import java.util.List;

/**
 * What a guest runs on.
 *
 * @param options the command's, but for the image
 * @param mode off, sev or es
 * @param vmd the board is vmd's
 * @param megabytes memory
 * @param kernel32 the guest is entered in 32-bit code and has no encryption
 */
record Setting(List<String> options, String mode, boolean vmd, int megabytes, boolean kernel32) {
  boolean encrypted() {
    return !mode.equals("off");
  }

  boolean encryptedState() {
    return mode.equals("es");
  }
}
