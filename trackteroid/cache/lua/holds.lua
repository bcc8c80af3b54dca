-- Return whether stamps are the present ones and none is open. KEYS[1] prefix of the tags' keys; ARGV: now, stamps, tags.
local all, _, sound = present(KEYS[1], 3, 0)
return (sound and all == ARGV[2]) and 1 or 0
