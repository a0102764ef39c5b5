"""Files and batches that the gateway keeps itself: in the store what is known of them, in a folder what is in them."""
