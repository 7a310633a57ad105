package dev.vesper.machine.spec;

import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * What a person says about the SMBIOS tables of a board, in QEMU's words.
 *
 * @param fields of structures by their types: {@code manufacturer}, {@code serial}, ...; what is
 *     not there has a value of Vesper's
 * @param oemStrings strings of the structure of type 11
 * @param structures structures as they are, each with its strings and their end, instead of those
 *     that the board would make of their types
 * @param uuid of the machine, or null for none
 */
public record Smbios(
    Map<Integer, Map<String, String>> fields,
    List<String> oemStrings,
    List<byte[]> structures,
    @Nullable UUID uuid) {}
