-- Forgets a channel's oldest events while they are over a bound, if the caller still owns the shard.
--
-- KEYS: shard, events, extent, event ids.
-- ARGV: incarnation, epoch, owner, last number to forget, events kept, bytes kept, age of the oldest that is kept in
-- milliseconds, events in one step, bytes in one step. A bound of '' is none.
-- Answers {'superseded'} or {'trimmed', '1' where more may be over a bound}.
local shard = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'owner')
if shard[1] ~= ARGV[1] or shard[2] ~= ARGV[2] or shard[3] ~= ARGV[3] then return {'superseded'} end
local place = redis.call('HMGET', KEYS[3], 'number', 'bytes', 'start')
if not place[1] then return {'trimmed', '0'} end
local bytes, kept = tonumber(place[2]), tonumber(place[1]) - tonumber(place[3] or 0)
local through, most, most_bytes, age = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local oldest
if age then
  local time = redis.call('TIME')
  oldest = time[1] * 1000 + math.floor(time[2] / 1000) - age
end

local function number_of(entry) return tonumber(string.match(entry[1], '^%d+')) end
local function is_over(entry)
  return number_of(entry) <= through or (most and kept > most) or (most_bytes and bytes > most_bytes)
    or (oldest and tonumber(entry[2][12]) < oldest)
end

local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if not first or not is_over(first) then return {'trimmed', '0'} end
local step = math.max(1, math.min(tonumber(ARGV[8]), math.floor(tonumber(ARGV[9]) * kept / math.max(bytes, 1))))
local entries = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', step)
local last, dropped = nil, 0
for _, entry in ipairs(entries) do
  if not is_over(entry) then break end
  last, dropped, kept, bytes = entry, dropped + 1, kept - 1, bytes - #entry[2][2]
end
local number = string.format('%.0f', number_of(last))
redis.call('XTRIM', KEYS[2], 'MINID', '=', string.format('%.0f', number_of(last) + 1))
redis.call('HSET', KEYS[3], 'start', number, 'start_epoch', last[2][6], 'start_address', last[2][8], 'start_index', last[2][10],
  'bytes', string.format('%.0f', bytes))
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', number)
return {'trimmed', dropped == #entries and '1' or '0'}
