/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All controllers of beancounters, in the order in which they are called.
 *
 * DO NOT add include guards: <linux/bc/types.h>, <linux/bc/core.h> and
 * kernel/bc/controller.c include this with different meanings of BC_CONTROLLER(). A
 * controller x is a struct bc_controller named bc_x_controller, and what it counts
 * has to be in the kernel.
 */
BC_CONTROLLER(numtasks)
BC_CONTROLLER(numgroups)
BC_CONTROLLER(numfiles)

#ifdef CONFIG_INOTIFY_USER
BC_CONTROLLER(numinotify)
#endif

#if defined(CONFIG_INOTIFY_USER) || defined(CONFIG_FANOTIFY)
BC_CONTROLLER(numwatches)
#endif

#ifdef CONFIG_FILE_LOCKING
BC_CONTROLLER(numflock)
#endif

#ifdef CONFIG_UNIX98_PTYS
BC_CONTROLLER(numpty)
#endif

#ifdef CONFIG_KEYS
BC_CONTROLLER(numkeys)
#endif

BC_CONTROLLER(numsiginfo)

#ifdef CONFIG_INET
BC_CONTROLLER(numtcpsock)
#endif

#ifdef CONFIG_NET
BC_CONTROLLER(numothersock)
#endif

#ifdef CONFIG_NETFILTER
BC_CONTROLLER(numiptent)
#endif

#ifdef CONFIG_MMU
BC_CONTROLLER(privvmpages)
BC_CONTROLLER(lockedpages)
BC_CONTROLLER(physpages)
#endif

#ifdef CONFIG_BC_SWAP
BC_CONTROLLER(swappages)
#endif

#if defined(CONFIG_SHMEM) && defined(CONFIG_MMU)
BC_CONTROLLER(shmpages)
#endif

BC_CONTROLLER(kmemsize)
BC_CONTROLLER(dcachesize)

#ifdef CONFIG_INET
BC_CONTROLLER(tcpsndbuf)
BC_CONTROLLER(tcprcvbuf)
#endif

#ifdef CONFIG_NET
BC_CONTROLLER(dgramrcvbuf)
BC_CONTROLLER(othersockbuf)
#endif

BC_CONTROLLER(cpuacct)

#ifdef CONFIG_SMP
BC_CONTROLLER(cpuset)
#endif

#ifdef CONFIG_CPUSETS
BC_CONTROLLER(nodeset)
#endif

#ifdef CONFIG_BC_DEBUG
BC_CONTROLLER(debug)
#endif
