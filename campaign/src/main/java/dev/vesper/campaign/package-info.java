/**
 * A campaign on many computers: the store that its members share, by Infinispan's distributed
 * caches. The only package that knows Infinispan and JGroups, and the only module with libraries of
 * that size; nothing else of Vesper needs it, and it is found by {@link java.util.ServiceLoader}.
 *
 * <p>{@link dev.vesper.campaign.ClusterStore} is the store. {@link dev.vesper.campaign.Journal} and
 * {@link dev.vesper.campaign.Shelf} are a member's own disk, {@link dev.vesper.campaign.Caches} and
 * {@link dev.vesper.campaign.Cluster} what members share, {@link dev.vesper.campaign.Keeper} keeps
 * the one and the other alike. {@link dev.vesper.campaign.Network}, {@link
 * dev.vesper.campaign.Sockets}, {@link dev.vesper.campaign.Doorkeeper} and {@link
 * dev.vesper.campaign.MemberKeys} are how members reach each other, {@link
 * dev.vesper.campaign.Joining} how one comes in.
 *
 * <p>Whatever another member sends is bytes with a schema of ours ({@link
 * dev.vesper.campaign.Envelope}); no object of Java's may be read here.
 */
@NullMarked
package dev.vesper.campaign;

import org.jspecify.annotations.NullMarked;
