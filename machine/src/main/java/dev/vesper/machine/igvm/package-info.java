/**
 * Files of the Independent Guest Virtual Machine format, by which paravisors and firmware say
 * themselves how they are launched (spec: snp 4.4): what their headers are, read and explained. Who
 * loads them is {@code boot}.
 */
@NullMarked
package dev.vesper.machine.igvm;

import org.jspecify.annotations.NullMarked;
