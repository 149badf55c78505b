-- Say whose a further identity of a message is, where that cannot be part of accept.lua.
-- KEYS  1 alias (string)
-- ARGV  1 digest of the message's own identity   2 TTL (s)
-- Gives 1 if it is another message's, 0 if it is this one's.
--#with _alias
return is_of_another(KEYS[1], ARGV[1], ARGV[2]) and 1 or 0
