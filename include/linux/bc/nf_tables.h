/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how elements of nftables' sets are charged. One that is has an extension
 * that says to whom.
 */
#ifndef _LINUX_BC_NF_TABLES_H
#define _LINUX_BC_NF_TABLES_H

#include <linux/bc/charge.h>
#include <net/netfilter/nf_tables.h>

/**
 * bc_nft_elem_add - let elements that are made from a template have who pays for them
 * @tmpl: the template
 * @paid: somebody may have to pay
 *
 * Context: Process context.
 * Return: 0, or an error of nft_set_ext_add().
 */
static inline int bc_nft_elem_add(struct nft_set_ext_tmpl *tmpl, bool paid)
{
	return paid ? nft_set_ext_add(tmpl, NFT_SET_EXT_BC) : 0;
}

/**
 * bc_nft_elem_charge - charge an element to the group of the current task
 * @ext: of the element
 *
 * Context: Process context. Takes no lock, does not sleep.
 * Return: 0, or -ENOMEM.
 */
static inline int bc_nft_elem_charge(const struct nft_set_ext *ext)
{
	if (nft_set_ext_exists(ext, NFT_SET_EXT_BC) &&
	    !bc_try_charge(nft_set_ext(ext, NFT_SET_EXT_BC), BC_ID_numiptent, BC_LIMIT))
		return -ENOMEM;
	return 0;
}

/**
 * bc_nft_elem_charge_as - charge an element to who pays for something else
 * @ext: of the element
 * @other: what that is
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 * Return: 0, or -ENOMEM.
 */
static inline int bc_nft_elem_charge_as(const struct nft_set_ext *ext,
					const struct bc_charge *other)
{
	if (nft_set_ext_exists(ext, NFT_SET_EXT_BC) &&
	    !bc_try_charge_as(nft_set_ext(ext, NFT_SET_EXT_BC), other, BC_LIMIT))
		return -ENOMEM;
	return 0;
}

/**
 * bc_nft_elem_uncharge - uncharge an element, if it is charged
 * @ext: of the element
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 */
static inline void bc_nft_elem_uncharge(const struct nft_set_ext *ext)
{
	if (nft_set_ext_exists(ext, NFT_SET_EXT_BC))
		bc_uncharge(nft_set_ext(ext, NFT_SET_EXT_BC));
}

#endif /* _LINUX_BC_NF_TABLES_H */
