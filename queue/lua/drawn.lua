-- Purpose: open the line after its draw: admission begins, and the lobby is forgotten.
-- KEYS: 1 meta, 2 lobby, 3 leavers, 4 feed
-- ARGV: none
-- Returns: {epoch, opened}: opened is 0 when the line had no lobby (any more); {0, 0} when the line must
--       be restored; {epoch, -1} when numbers are still to be given
-- Cost: O(1); the sets are freed beside the other commands
-- Operation: idempotent: open is open
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'lobby', 'numbered', 'entrants')
if meta[1] ~= life then
  return {0, 0}
end
local epoch = tonumber(meta[2])
if not meta[3] then
  return {epoch, 0}
end
if not meta[4] or meta[4] ~= meta[5] then
  return {epoch, -1}
end
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('HDEL', KEYS[1], 'lobby', 'returning', 'entrants', 'ready', 'numbered')
redis.call('HSET', KEYS[1], 'settle', 0)
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local time = redis.call('TIME')
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 100000, meta[2] .. '-' .. seq,
  'kind', 'drawn', 'at', string.format('%.0f', time[1] * 1000000 + time[2]), 'fans', '')
return {epoch, 1}
