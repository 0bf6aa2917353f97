-- Purpose: note which rules a node applies, for the organizer who waits to hear that all do.
-- KEYS: 1 nodes
-- ARGV: 1 node, 2 version of the rules by which it ticked, 3 '1' when it admits nobody, '' when the node ends
-- Returns: 1
-- Cost: O(nodes)
-- Operation: idempotent: the newest note of a node is the one that counts
local time = redis.call('TIME')
local millis = time[1] * 1000 + math.floor(time[2] / 1000)
local notes = redis.call('HGETALL', KEYS[1])
for i = 1, #notes, 2 do
  local at = tonumber(string.match(notes[i + 1], '(%d+)$'))
  if not at or at < millis - 10000 then
    redis.call('HDEL', KEYS[1], notes[i]) -- a node that died
  end
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%s:%s:%.0f', ARGV[2], ARGV[3], millis))
end
return 1
