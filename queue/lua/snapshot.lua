-- Purpose: read all that positions are computed from, at one moment.
-- KEYS: 1 meta, 2 waiting, 3 gone, 4 lost, 5 lobby
-- ARGV: none
-- Returns: {epoch, next, waiting, admitted, left, seq, lost, from, lobby, bits}: bits are the bytes of gone
--       from byte from, which holds the head of the line, to next; lobby is 0 for none, 1 open, 2 closed,
--       and then waiting counts its fans too; {0} when the line must be restored
-- Cost: O((next − head) / 8) bytes: 125 KB for a line of a million
-- Operation: changes nothing (runs by EVALSHA_RO)
local life = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local meta = redis.call('HMGET', KEYS[1], 'life', 'epoch', 'next', 'admitted', 'left', 'seq', 'floor',
  'lobby', 'entrants', 'numbered')
if meta[1] ~= life then
  return {0}
end
local next = tonumber(meta[3])
local head = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local from = math.floor((tonumber(head[2]) or next) / 8)
local waiting, lobby = redis.call('ZCARD', KEYS[2]), 0
if meta[8] == 'open' then
  waiting, lobby = redis.call('SCARD', KEYS[5]), 1
elseif meta[8] then -- those without a number yet stand before those who came later
  from, lobby = 0, 2
  waiting = meta[9] and waiting + meta[9] - meta[10] or redis.call('SCARD', KEYS[5])
end
local bits = ''
if from * 8 < next then
  bits = redis.call('GETRANGE', KEYS[3], from, math.floor((next - 1) / 8))
end
local lost = 0
if tonumber(meta[2]) > 1 then
  lost = redis.call('BITCOUNT', KEYS[4], tonumber(meta[7]) + 1, -1, 'BIT')
end
return {tonumber(meta[2]), next, waiting, tonumber(meta[4]) or 0, tonumber(meta[5]) or 0,
  tonumber(meta[6]), lost, from, lobby, bits}
