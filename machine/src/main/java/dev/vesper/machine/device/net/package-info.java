/**
 * Networks that a guest's adapter is plugged into. They see frames and nothing else of the guest,
 * and nothing of the computer's own network.
 */
@NullMarked
package dev.vesper.machine.device.net;

import org.jspecify.annotations.NullMarked;
