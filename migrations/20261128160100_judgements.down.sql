drop table judgement_predictions;
drop table judgement_files;
drop table judgements;
drop function notify_judgement();
drop type judgement_state;
