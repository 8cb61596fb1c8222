-- Models that are compared are tuned first, and a verdict has an arm that is not.

alter type phase add value 'tune' before 'evaluate';
alter type arm add value 'untuned' before 'full';
