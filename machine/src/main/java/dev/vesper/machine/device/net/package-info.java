/**
 * Networks that a guest's adapter is plugged into. They see frames and nothing else of the guest,
 * and open no sockets: what of the computer they reach is behind {@link
 * dev.vesper.machine.device.net.Outside}, as which a program may hand in {@link
 * dev.vesper.machine.device.net.Loopback}.
 */
@NullMarked
package dev.vesper.machine.device.net;

import org.jspecify.annotations.NullMarked;
